-- one row a group of users
select
  source_id as group_id,
  name,
  description,
  created_by_user_id,
  updated_by_user_id,
  created_at,
  updated_at,
  columns('^_(id|ids|repairs)$'),
from clean.users_group
