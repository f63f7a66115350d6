-- one row a user
select
  source_id as user_id,
  username,
  email,
  first_name,
  last_name,
  dni,
  deleted,
  created_at,
  updated_at,
  columns('^_(id|ids|repairs)$'),
from clean.user
