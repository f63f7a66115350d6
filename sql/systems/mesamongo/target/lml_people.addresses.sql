-- one row an address of a person
select
  parent_source_id as person_id,
  position,
  street,
  number,
  city,
  province,
  location,
  columns('^_(id|ids|repairs)$'),
from clean.person_address
