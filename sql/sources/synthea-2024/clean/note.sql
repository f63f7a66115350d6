-- one row a procedure, immunization, condition or allergy of a patient
-- none has an id: kind, encounter, code and time make the key, and they tell every row of this export apart
with typed as (
  select
    'PROCEDURE' as kind, patient, encounter, code, description, start as moment,
    try_cast(start as timestamptz) as noted_at,
    json_merge_patch('{}', json_object(
      'system', system, 'stop', stop, 'base_cost', base_cost, 'reason_code', reasoncode, 'reason', reasondescription
    )) as extra,
    _id,
  from raw.procedures
  union all
  select
    'IMMUNIZATION', patient, encounter, code, description, date,
    try_cast(date as timestamptz),
    json_object('base_cost', base_cost),
    _id,
  from raw.immunizations
  union all
  select
    'DIAGNOSIS', patient, encounter, code, description, start,
    local_ts(start || ' 00:00', clinic.timezone),
    json_merge_patch('{}', json_object('system', condition.system, 'stop', stop, 'precision', 'day')),
    _id,
  from raw.conditions as condition
  cross join meta.clinic as clinic
  union all
  select
    'ALLERGY', patient, encounter, code, description, start,
    local_ts(start || ' 00:00', clinic.timezone),
    json_merge_patch('{}', json_object(
      'system', allergy.system, 'stop', stop, 'type', type, 'category', category, 'precision', 'day',
      'reaction', description1, 'severity', severity1, 'second_reaction', description2, 'second_severity', severity2
    )),
    _id,
  from raw.allergies as allergy
  cross join meta.clinic as clinic
)
select
  lower(note.kind) || ':' || concat_ws('|', note.encounter, note.code, note.moment) as source_id,
  note.patient as patient_source_id,
  note.encounter as appointment_source_id,
  encounter.provider as professional_source_id,
  case when note.kind in ('PROCEDURE', 'IMMUNIZATION') then lower(note.kind) || ':' || note.code end as treatment_source_id,
  note.kind as kind,
  note.noted_at as noted_at,
  null::varchar as title,
  note.description as body,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch(json_object('code', note.code), note.extra) as extra,
  note._id,
from typed as note
left join raw.encounters as encounter on encounter.id = note.encounter
