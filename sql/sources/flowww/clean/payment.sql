-- one row a payment; a record that is there twice, alike in every cell, is one row
-- map: payment_method = raw.cobros."Forma de pago"
with
source as (
  select * exclude (_id, _file, _row), list(_id order by _id) as _ids
  from raw.cobros
  group by all
)
select
  trimmed("Id") as source_id,
  ltrim(trimmed("Nº Historia"), '0') as patient_source_id,
  trimmed("Factura") as invoice_source_id,
  null::varchar as budget_source_id,
  method.target_value as method,
  local_ts(cast(parse_timestamp("Fecha") as varchar), clinic.timezone) as paid_at,
  try_cast(parse_decimal("Importe") as decimal(12,2)) as amount,
  trimmed("Referencia") as reference,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object('method', "Forma de pago")) as extra,
  _ids,
from source
cross join meta.clinic as clinic
left join map.payment_method as method on method.source_value = "Forma de pago"
