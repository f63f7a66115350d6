-- one row a veterinarian: OkVet exports only numbers, whom maps/vet.csv translates to an e-mail
-- origin: none
with vets as (
  select distinct target_value as email from map.vet where target_value is not null
),
named as (
  select email, name_case(replace(split_part(email, '@', 1), '.', ' ')) as full_name from vets
)
select
  email as source_id,
  split_part(full_name, ' ', 1) as first_name,
  nullif(trim(substr(full_name, length(split_part(full_name, ' ', 1)) + 1)), '') as last_name,
from named
