-- one row an entry of the history; a record that is there twice, alike in every cell, is one row
-- map: note_kind = raw.notas."Tipo"
with
source as (
  select * exclude (_id, _file, _row), list(_id order by _id) as _ids
  from raw.notas
  group by all
),
typed as (
  select source.*, cast(parse_timestamp("Fecha") as varchar) as written_at, clinic.timezone
  from source
  cross join meta.clinic as clinic
)
select
  trimmed("Id") as source_id,
  ltrim(trimmed("Nº Historia"), '0') as patient_source_id,
  null::varchar as appointment_source_id,
  trimmed("Profesional") as professional_source_id,
  null::varchar as treatment_source_id,
  kind.target_value as kind,
  local_ts(written_at, timezone) as noted_at,
  trimmed("Tipo") as title,
  "Texto" as body,
  null::varchar as record_status,
  null::timestamptz as created_at,
  null::json as extra,
  _ids,
  case local_ts_issue(written_at, timezone) when 'gap' then ['daylight_saving_gap'] end as _repairs,
from typed
left join map.note_kind as kind on kind.source_value = "Tipo"
