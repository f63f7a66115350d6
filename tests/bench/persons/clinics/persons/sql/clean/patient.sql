-- one row a record
select
  id as source_id,
  trimmed(given_name) as given_name,
  trimmed(surname1) as surname1,
  trimmed(surname2) as surname2,
  parse_date(birth_date) as birth_date,
  parse_sex(sex) as sex,
  trimmed(national_id) as national_id,
  trimmed(phone) as phone,
  lower(trimmed(email)) as email,
  trimmed(address) as address,
  trimmed(postcode) as postcode,
  trimmed(city) as city,
  _id,
from raw.personas
