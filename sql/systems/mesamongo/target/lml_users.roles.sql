-- one row a role
select
  source_id as role_id,
  name,
  columns('^_(id|ids|repairs)$'),
from clean.role
