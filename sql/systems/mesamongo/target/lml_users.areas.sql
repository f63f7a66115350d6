-- one row an area
select
  source_id as area_id,
  name,
  columns('^_(id|ids|repairs)$'),
from clean.area
