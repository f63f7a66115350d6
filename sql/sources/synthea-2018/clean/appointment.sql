-- one row an encounter
-- the export has its day only: starts_at is the local midnight and there is no end
select
  encounter.id as source_id,
  null::varchar as site_source_id,
  null::varchar as room_source_id,
  encounter.patient as patient_source_id,
  null::varchar as professional_source_id,
  'encounter:' || encounter.code as treatment_source_id,
  null::varchar as care_plan_source_id,
  'COMPLETED' as status,
  local_ts(encounter.date || ' 00:00', clinic.timezone) as starts_at,
  null::timestamptz as ends_at,
  encounter.reasondescription as reason,
  null::varchar as notes,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'precision', 'day',
    'description', encounter.description,
    'reason_code', encounter.reasoncode
  )) as extra,
  encounter._id,
from raw.encounters as encounter
cross join meta.clinic as clinic
