-- one row a kind of process
select
  source_id as process_type_id,
  code,
  name,
  active,
  form_source_id as form_id,
  created_by_user_id,
  updated_by_user_id,
  created_at,
  updated_at,
  columns('^_(id|ids|repairs)$'),
from clean.process_type
