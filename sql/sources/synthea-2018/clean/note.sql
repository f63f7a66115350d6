-- one row a procedure, immunization, condition or allergy of a patient; the export has their day only
-- none has an id: kind, encounter, code and day make the key
-- seven procedures are there twice, alike in every column: one row, extra.times says how often
with
source as (
  select 'PROCEDURE' as kind, patient, encounter, code, description, date as day, null as stop, reasoncode, reasondescription, _id
  from raw.procedures
  union all
  select 'IMMUNIZATION', patient, encounter, code, description, date, null, null, null, _id
  from raw.immunizations
  union all
  select 'DIAGNOSIS', patient, encounter, code, description, start, stop, null, null, _id
  from raw.conditions
  union all
  select 'ALLERGY', patient, encounter, code, description, start, stop, null, null, _id
  from raw.allergies
),
grouped as (
  select * exclude (_id), list(_id order by _id) as _ids from source group by all
)
select
  lower(note.kind) || ':' || concat_ws('|', note.encounter, note.code, note.day) as source_id,
  note.patient as patient_source_id,
  note.encounter as appointment_source_id,
  null::varchar as professional_source_id,
  case when note.kind in ('PROCEDURE', 'IMMUNIZATION') then lower(note.kind) || ':' || note.code end as treatment_source_id,
  note.kind as kind,
  local_ts(note.day || ' 00:00', clinic.timezone) as noted_at,
  null::varchar as title,
  note.description as body,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'code', note.code,
    'precision', 'day',
    'stop', note.stop,
    'reason_code', note.reasoncode,
    'reason', note.reasondescription,
    'times', case when len(note._ids) > 1 then len(note._ids) end
  )) as extra,
  case when len(note._ids) > 1 then ['exact_duplicate'] end as _repairs,
  note._ids,
from grouped as note
cross join meta.clinic as clinic
