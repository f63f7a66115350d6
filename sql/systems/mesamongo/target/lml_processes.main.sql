-- one row a process
select
  source_id as process_id,
  number,
  process_type_source_id as process_type_id,
  status,
  amount,
  data,
  created_by_user_id,
  updated_by_user_id,
  created_at,
  updated_at,
  columns('^_(id|ids|repairs)$'),
from clean.process
