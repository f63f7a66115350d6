-- cells of presupuestos_lineas that say something and could not be read: the line gets what a line without them gets
-- severity: warning
with cells as (
  select record._id, unnest([
    case when cleaned.position is null and trimmed(record."Línea") is not null then 'Línea' end,
    case when cleaned.quantity is null and trimmed(record."Cantidad") is not null then 'Cantidad' end,
    case when cleaned.discount is null and trimmed(record."Dto. %") is not null and (cleaned.quantity is not null or parse_decimal(record."Dto. %") is null) then 'Dto. %' end,
    case when cleaned.tax_rate is null and trimmed(record."IVA %") is not null then 'IVA %' end
  ]) as column_name
  from raw.presupuestos_lineas as record
  join clean.budget_line as cleaned on cleaned._id = record._id
)
from cells
where column_name is not null
