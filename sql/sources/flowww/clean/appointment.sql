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
    cast(parse_date("Fecha") + parse_time("Hora") as varchar) as written_at,
    parse_minutes("Duración") as minutes,
    clinic.timezone,
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
  local_ts(written_at, timezone) as starts_at,
  local_ts(written_at, timezone) + to_minutes(minutes) as ends_at,
  null::varchar as reason,
  "Observaciones" as notes,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'status', case when state.target_value is null then "Estado" end,
    'unreadable_duration', case when minutes is null then "Duración" end
  )) as extra,
  _ids,
  case local_ts_issue(written_at, timezone) when 'gap' then ['daylight_saving_gap'] end as _repairs,
from typed
left join map.appointment_status as state on state.source_value = "Estado"
