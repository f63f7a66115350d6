-- one row a list
select
  source_id as list_id,
  name,
  alias,
  page_size,
  search_params,
  created_by_user_id,
  updated_by_user_id,
  created_at,
  updated_at,
  columns('^_(id|ids|repairs)$'),
from clean.list
