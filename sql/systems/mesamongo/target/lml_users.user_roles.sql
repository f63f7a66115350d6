-- one row a role of a user
select
  parent_source_id as user_id,
  member_source_id as role_id,
  columns('^_(id|ids|repairs)$'),
from clean.user_role
