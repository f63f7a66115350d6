-- one row a provider
-- the name is "Given Surname"; its address is that of the organization
select
  provider.id as source_id,
  provider.organization as site_source_id,
  split_part(provider.name, ' ', 1) as first_name,
  nullif(substr(provider.name, length(split_part(provider.name, ' ', 1)) + 2), '') as last_name,
  provider.gender as sex,
  provider.speciality as specialty,
  null::varchar as license_number,
  null::varchar as email,
  null::varchar as phone,
  null::varchar as color,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'encounters', provider.encounters,
    'procedures', provider.procedures
  )) as extra,
  provider._id,
from raw.providers as provider
