-- one row an invoice, or a credit note that corrects one; a record that is there twice, alike in every cell, is one row
-- map: invoice_status = raw.facturas."Estado"
with
source as (
  select * exclude (_id, _file, _row), list(_id order by _id) as _ids
  from raw.facturas
  group by all
)
select
  trimmed("Serie") || '-' || trimmed("Número") as source_id,
  ltrim(trimmed("Nº Historia"), '0') as patient_source_id,
  null::varchar as appointment_source_id,
  trimmed("Presupuesto") as budget_source_id,
  trimmed("Rectifica") as rectifies_source_id,
  trimmed("Serie") as series,
  trimmed("Número") as number,
  state.target_value as status,
  parse_date("Fecha") as issued_on,
  null::date as due_on,
  null::varchar as currency,
  parse_decimal("Base") as subtotal,
  parse_decimal("IVA") as tax,
  parse_decimal("Total") as total,
  null::varchar as notes,
  null::varchar as record_status,
  null::timestamptz as created_at,
  null::json as extra,
  _ids,
from source
left join map.invoice_status as state on state.source_value = "Estado"
