-- one row a care plan: its rows differ in activity only
-- the export names no plan: its activities do
select
  plan.id as source_id,
  min(plan.patient) as patient_source_id,
  null::varchar as professional_source_id,
  null::varchar as treatment_source_id,
  string_agg(distinct plan.description, ', ' order by plan.description) as name,
  case when min(plan.stop) is null then 'ACTIVE' else 'COMPLETED' end as status,
  try_cast(min(plan.start) as date) as starts_on,
  try_cast(max(plan.stop) as date) as ends_on,
  null::smallint as session_count,
  min(plan.reasondescription) as reason,
  null::varchar as notes,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'encounter', min(plan.encounter),
    'reason_code', min(plan.reasoncode),
    'activities', list(distinct {'code': plan.code, 'description': plan.description} order by {'code': plan.code, 'description': plan.description})
  )) as extra,
  list(plan._id order by plan._id) as _ids,
from raw.careplans as plan
group by plan.id
