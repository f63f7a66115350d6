-- one row a member of a group
select
  parent_source_id as group_id,
  member_source_id as user_id,
  columns('^_(id|ids|repairs)$'),
from clean.group_member
