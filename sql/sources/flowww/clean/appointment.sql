-- one row an appointment; a record that is there twice, alike in every cell, is one row
-- A day or a time that cannot be leaves starts_at null, so that check rejects the row and says why.
-- map: appointment_status = raw.citas."Estado"
with
source as (
  select * exclude (_id, _file, _row), list(_id order by _id) as _ids
  from raw.citas
  group by all
),
typed as (
  select
    source.*,
    local_ts(cast(parse_date("Fecha") + parse_time("Hora") as varchar), clinic.timezone) as starts_at,
    try_cast(regexp_extract("Duración", '\d+') as integer) as minutes,
  from source
  cross join meta.clinic as clinic
)
select
  trimmed("Id") as source_id,
  null::varchar as site_source_id,
  trimmed("Sala") as room_source_id,
  ltrim(trimmed("Nº Historia"), '0') as patient_source_id,
  trimmed("Profesional") as professional_source_id,
  trimmed("Tratamiento") as treatment_source_id,
  null::varchar as care_plan_source_id,
  state.target_value as status,
  starts_at,
  starts_at + to_minutes(minutes) as ends_at,
  null::varchar as reason,
  "Observaciones" as notes,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object('status', case when state.target_value is null then "Estado" end)) as extra,
  _ids,
from typed
left join map.appointment_status as state on state.source_value = "Estado"
