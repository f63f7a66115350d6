-- one row a person who treats patients; the export writes the surnames first
with
typed as (
  select
    professional.*,
    split_surnames_first(trimmed("Nombre y apellidos")) as name,
    clinic.country as country,
  from raw.profesionales as professional
  cross join meta.clinic as clinic
)
select
  trimmed("Código") as source_id,
  null::varchar as site_source_id,
  name.given as first_name,
  concat_ws(' ', name.surname1, name.surname2) as last_name,
  null::varchar as sex,
  trimmed("Especialidad") as specialty,
  trimmed("Nº Colegiado") as license_number,
  clean_email("Email") as email,
  phone_e164("Teléfono", country) as phone,
  null::varchar as color,
  case parse_yes_no("Activo") when true then 'ACTIVE' when false then 'ARCHIVED' end as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'code', trimmed("Código"),
    'national_id', coalesce(national_id("NIF", country), "NIF"),
    'unreadable_email', case when clean_email("Email") is null then "Email" end,
    'unreadable_phone', case when phone_e164("Teléfono", country) is null then "Teléfono" end,
    'phone_as_written', case when phone_says_more("Teléfono", country) then "Teléfono" end
  )) as extra,
  _id,
  without_nulls([case when phone_says_more("Teléfono", country) then 'phone_says_more' end]) as _repairs,
from typed
