-- one row a claim
-- its ENCOUNTER holds the patient's id: no appointment is named then, and extra keeps what stood there
select
  claim.id as source_id,
  claim.patient as patient_source_id,
  encounter.id as appointment_source_id,
  null::varchar as budget_source_id,
  null::varchar as rectifies_source_id,
  null::varchar as series,
  null::varchar as number,
  null::varchar as status,
  try_cast(claim.billableperiod as date) as issued_on,
  null::date as due_on,
  null::varchar as currency,
  null::decimal(12,2) as subtotal,
  null::decimal(12,2) as tax,
  parse_decimal_point(claim.total) as total,
  null::varchar as notes,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'encounter', case when encounter.id is null then claim.encounter end,
    'organization', claim.organization,
    'diagnosis', claim.diagnosis
  )) as extra,
  case when encounter.id is null and claim.encounter is not null then ['claim_encounter'] end as _repairs,
  claim._id,
from raw.claims as claim
left join raw.encounters as encounter on encounter.id = claim.encounter
