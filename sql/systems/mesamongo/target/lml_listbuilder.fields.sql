-- one row a column of a list
select
  parent_source_id as list_id,
  position,
  key,
  label,
  sortable,
  columns('^_(id|ids|repairs)$'),
from clean.list_field
