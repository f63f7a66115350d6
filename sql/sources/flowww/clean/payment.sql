-- one row a payment; a record that is there twice, alike in every cell, is one row
-- map: payment_method = raw.cobros."Forma de pago"
with
source as (
  select * exclude (_id, _file, _row), list(_id order by _id) as _ids
  from raw.cobros
  group by all
),
typed as (
  select source.*, cast(parse_timestamp("Fecha") as varchar) as written_at, clinic.timezone
  from source
  cross join meta.clinic as clinic
)
select
  trimmed("Id") as source_id,
  ltrim(trimmed("Nº Historia"), '0') as patient_source_id,
  trimmed("Factura") as invoice_source_id,
  null::varchar as budget_source_id,
  method.target_value as method,
  local_ts(written_at, timezone) as paid_at,
  parse_decimal("Importe") as amount,
  trimmed("Referencia") as reference,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object('method', "Forma de pago")) as extra,
  _ids,
  case local_ts_issue(written_at, timezone) when 'gap' then ['daylight_saving_gap'] end as _repairs,
from typed
left join map.payment_method as method on method.source_value = "Forma de pago"
