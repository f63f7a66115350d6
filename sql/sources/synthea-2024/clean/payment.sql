-- one row an encounter whose payer covered a part of the claim; what the patient paid is not in the export
-- map: payment_method = raw.payers.ownership
select
  encounter.id as source_id,
  encounter.patient as patient_source_id,
  encounter.id as invoice_source_id,
  null::varchar as budget_source_id,
  method.target_value as method,
  try_cast(encounter.stop as timestamptz) as paid_at,
  parse_decimal_point(encounter.payer_coverage) as amount,
  payer.name as reference,
  null::varchar as record_status,
  null::timestamptz as created_at,
  null::json as extra,
  encounter._id,
from raw.encounters as encounter
left join raw.payers as payer on payer.id = encounter.payer
left join map.payment_method as method on method.source_value = payer.ownership
-- an amount that cannot be read stays, for check to refuse
where nullif(encounter.payer_coverage, '') is not null and parse_decimal_point(encounter.payer_coverage) is distinct from 0
