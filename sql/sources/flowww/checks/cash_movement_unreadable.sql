-- cells of caja that say something and could not be read: the other column decides
-- severity: warning
select record._id, unnest(without_nulls([
  unread_cell('Importe Entrada', parse_decimal_point(record."Importe Entrada"), record."Importe Entrada"),
  unread_cell('Importe Salida', parse_decimal_point(record."Importe Salida"), record."Importe Salida")
])) as column_name
from raw.caja as record
join clean.cash_movement as cleaned on cleaned._id = record._id
