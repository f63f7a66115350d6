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
  parse_integer("Línea") as position,
  trimmed("Descripción") as description,
  quantity,
  unit_price,
  try_cast(try(round(quantity * unit_price * percent / 100, 2)) as decimal(12,2)) as discount,
  parse_decimal("IVA %") as tax_rate,
  parse_decimal("Importe") as total,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object('discount_percent', case when percent is distinct from 0 then "Dto. %" end)) as extra,
  _ids,
from typed
