-- one row an area of a user
select
  parent_source_id as user_id,
  member_source_id as area_id,
  columns('^_(id|ids|repairs)$'),
from clean.user_area
