-- one row a patient
-- a social security number that several patients share proves none of them: it is blanked and kept in extra
-- map: marital_status = raw.patients.marital
with counted as (
  select *, count(ssn) over (partition by ssn) as sharing from raw.patients
)
select
  patient.id as source_id,
  null::varchar as site_source_id,
  null::varchar as chart_number,
  patient.first as first_name,
  patient.last as last_name,
  null::varchar as second_last_name,
  try_cast(patient.birthdate as date) as birth_date,
  try_cast(patient.deathdate as date) as death_date,
  patient.gender as sex,
  case when patient.sharing = 1 then patient.ssn end as national_id,
  null::varchar as email,
  null::varchar as phone,
  null::varchar as second_phone,
  patient.address as address,
  null::varchar as city,
  nullif(regexp_extract(patient.address, ' ([A-Z]{2}) [0-9]{5} US$', 1), '') as province,
  nullif(regexp_extract(patient.address, ' ([0-9]{5}) US$', 1), '') as postal_code,
  'US' as country,
  null::boolean as marketing_consent,
  null::varchar as notes,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'shared_ssn', case when patient.sharing > 1 then patient.ssn end,
    'drivers', patient.drivers,
    'passport', patient.passport,
    'prefix', patient.prefix,
    'suffix', patient.suffix,
    'maiden_name', patient.maiden,
    'marital_status', coalesce(marital.target_value, patient.marital),
    'race', patient.race,
    'ethnicity', patient.ethnicity,
    'birth_place', patient.birthplace
  )) as extra,
  case when patient.sharing > 1 then ['shared_ssn'] end as _repairs,
  patient._id,
from counted as patient
left join map.marital_status as marital on marital.source_value = patient.marital
