-- cells of caja that say something and could not be read: the other column decides
-- severity: warning
with cells as (
  select record._id, unnest([
    case when parse_decimal_point(record."Importe Entrada") is null and trimmed(record."Importe Entrada") is not null then 'Importe Entrada' end,
    case when parse_decimal_point(record."Importe Salida") is null and trimmed(record."Importe Salida") is not null then 'Importe Salida' end
  ]) as column_name
  from raw.caja as record
  join clean.cash_movement as cleaned on cleaned._id = record._id
)
from cells
where column_name is not null
