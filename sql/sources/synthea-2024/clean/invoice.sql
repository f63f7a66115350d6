-- one row an encounter: what was claimed for it
-- procedures are not its lines: their base costs do not add up to the claim
select
  encounter.id as source_id,
  encounter.patient as patient_source_id,
  encounter.id as appointment_source_id,
  null::varchar as budget_source_id,
  null::varchar as rectifies_source_id,
  null::varchar as series,
  null::varchar as number,
  case
    when parse_decimal_point(encounter.payer_coverage) >= parse_decimal_point(encounter.total_claim_cost) then 'PAID'
    else 'ISSUED'
  end as status,
  timezone(clinic.timezone, try_cast(encounter.stop as timestamptz))::date as issued_on,
  null::date as due_on,
  null::varchar as currency,
  null::decimal(12,2) as subtotal,
  null::decimal(12,2) as tax,
  parse_decimal_point(encounter.total_claim_cost) as total,
  null::varchar as notes,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'payer', payer.name,
    'base_cost', encounter.base_encounter_cost,
    'payer_coverage', encounter.payer_coverage
  )) as extra,
  encounter._id,
from raw.encounters as encounter
cross join meta.clinic as clinic
left join raw.payers as payer on payer.id = encounter.payer
