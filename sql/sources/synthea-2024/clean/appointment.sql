-- one row an encounter; times are in UTC
select
  encounter.id as source_id,
  encounter.organization as site_source_id,
  null::varchar as room_source_id,
  encounter.patient as patient_source_id,
  encounter.provider as professional_source_id,
  'encounter:' || encounter.code as treatment_source_id,
  null::varchar as care_plan_source_id,
  'COMPLETED' as status,
  try_cast(encounter.start as timestamptz) as starts_at,
  try_cast(encounter.stop as timestamptz) as ends_at,
  encounter.reasondescription as reason,
  null::varchar as notes,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'class', encounter.encounterclass,
    'description', encounter.description,
    'reason_code', encounter.reasoncode,
    'payer', encounter.payer,
    'base_cost', encounter.base_encounter_cost
  )) as extra,
  encounter._id,
from raw.encounters as encounter
