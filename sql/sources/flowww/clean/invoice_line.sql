-- one row a line of an invoice; a record that is there twice, alike in every cell, is one row
with
source as (
  select * exclude (_id, _file, _row), list(_id order by _id) as _ids
  from raw.facturas_lineas
  group by all
),
typed as (
  select
    source.*,
    parse_decimal("Cantidad") as quantity,
    parse_decimal("Precio") as unit_price,
    parse_decimal("Dto. %") as percent,
  from source
)
select
  trimmed("Factura") || '#' || trimmed("Línea") as source_id,
  trimmed("Factura") as invoice_source_id,
  trimmed("Código") as treatment_source_id,
  null::varchar as professional_source_id,
  try_cast(trimmed("Línea") as integer) as position,
  trimmed("Descripción") as description,
  cast(quantity as decimal(10,2)) as quantity,
  cast(unit_price as decimal(12,2)) as unit_price,
  cast(round(quantity * unit_price * percent / 100, 2) as decimal(12,2)) as discount,
  try_cast(parse_decimal("IVA %") as decimal(5,2)) as tax_rate,
  try_cast(parse_decimal("Importe") as decimal(12,2)) as total,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object('discount_percent', case when percent <> 0 then "Dto. %" end)) as extra,
  _ids,
from typed
