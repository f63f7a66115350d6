-- one row a patient's record; a record that is there twice, alike in every cell, is one row
-- A person whom the front desk typed anew has two records here; golden.patient makes them one where clinic.toml says [dedupe.patient].
with
source as (
  select * exclude (_id, _file, _row), list(_id order by _id) as _ids
  from raw.pacientes
  group by all
),
renamed as (
  select
    ltrim(trimmed("Nº Historia"), '0') as chart_number,
    "Nombre" as given,
    "Apellidos" as surnames,
    -- name case needs the whole name: a particle in its middle is lower case
    name_case(concat_ws(' ', trimmed("Nombre"), trimmed("Apellidos"))) as full_name,
    "DNI/NIE" as identity,
    "F. Nacimiento" as birth,
    "Sexo" as sex,
    "Teléfono" as landline,
    "Móvil" as mobile,
    "Email" as email,
    "Dirección" as address,
    "C.P." as postal_code,
    "Población" as city,
    "Provincia" as province,
    "Fecha alta" as since,
    "Cómo nos conoció" as channel,
    "Acepta publicidad" as consent,
    "Observaciones" as notes,
    _ids,
  from source
),
typed as (
  select
    renamed.*,
    left(full_name, length(trimmed(given))) as first_names,
    trimmed(right(full_name, length(full_name) - coalesce(length(trimmed(given)), 0))) as last_names,
    parse_date_pivot(birth, cast(year(clinic.epoch) as integer)) as birth_date,
    national_id(identity, clinic.country) as national_id,
    phone_e164(landline, clinic.country) as landline_number,
    phone_e164(mobile, clinic.country) as mobile_number,
    clean_email(email) as email_address,
    clinic.country as country,
    local_ts(cast(parse_timestamp(since) as varchar), clinic.timezone) as created_at,
  from renamed
  cross join meta.clinic as clinic
),
final as (
  select
    typed.*,
    split_surnames_first(last_names || ', ' || coalesce(first_names, '')) as name,
    landline is not null and landline_number is null as landline_unreadable,
    mobile is not null and mobile_number is null as mobile_unreadable,
    phone_says_more(landline, country) as landline_says_more,
    phone_says_more(mobile, country) as mobile_says_more,
  from typed
)
select
  chart_number as source_id,
  null::varchar as site_source_id,
  chart_number,
  first_names as first_name,
  name.surname1 as last_name,
  name.surname2 as second_last_name,
  birth_date,
  null::date as death_date,
  parse_sex(sex) as sex,
  national_id,
  email_address as email,
  coalesce(mobile_number, landline_number) as phone,
  case when mobile_number is not null then landline_number end as second_phone,
  trimmed(address) as address,
  trimmed(city) as city,
  trimmed(province) as province,
  trimmed(postal_code) as postal_code,
  country,
  parse_yes_no(consent) as marketing_consent,
  notes,
  null::varchar as record_status,
  created_at,
  json_merge_patch('{}', json_object(
    'channel', trimmed(channel),
    'unreadable_birth_date', case when birth_date is null then birth end,
    'invalid_national_id', case when national_id is null then identity end,
    'unreadable_phone', case when mobile_unreadable then mobile when landline_unreadable then landline end,
    'unreadable_landline', case when mobile_unreadable and landline_unreadable then landline end,
    'phone_as_written', case when mobile_says_more then mobile end,
    'landline_as_written', case when landline_says_more then landline end,
    'unreadable_email', case when email_address is null then email end,
    'email_as_written', case when email_address <> email_text(email) then email end,
    'unreadable_sex', case when parse_sex(sex) is null then sex end,
    'unreadable_since', case when created_at is null then since end,
    'unreadable_consent', case when parse_yes_no(consent) is null then consent end
  )) as extra,
  _ids,
  without_nulls([
    case when given <> trimmed(given) or surnames <> trimmed(surnames) then 'white_space' end,
    case when full_name <> concat_ws(' ', trimmed(given), trimmed(surnames)) then 'name_case' end,
    case when national_id <> identity then 'national_id_spelling' end,
    case when identity is not null and national_id is null then 'national_id_invalid' end,
    case when is_sentinel_date(birth) then 'sentinel_date' end,
    case when birth is not null and birth_date is null and not is_sentinel_date(birth) then 'impossible_date' end,
    case when regexp_full_match(trimmed(birth), '\d+/\d+/\d\d') then 'two_digit_year' end,
    case
      when landline_number is not null and not regexp_full_match(landline, '\d{9}')
        or mobile_number is not null and not regexp_full_match(mobile, '\d{9}') then 'phone_spelling'
    end,
    case when landline_unreadable or mobile_unreadable then 'phone_unreadable' end,
    case when landline_says_more or mobile_says_more then 'phone_says_more' end,
    case when email_address <> email then 'email_spelling' end,
    case when email is not null and email_address is null then 'email_unreadable' end
  ]) as _repairs,
from final
