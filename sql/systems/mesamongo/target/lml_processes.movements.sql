-- one row a step of a process
select
  parent_source_id as process_id,
  position,
  action,
  area_source_id as area_id,
  user_id,
  moved_at,
  columns('^_(id|ids|repairs)$'),
from clean.process_movement
