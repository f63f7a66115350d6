-- one row a form
select
  source_id as form_id,
  name,
  version,
  config,
  created_by_user_id,
  updated_by_user_id,
  created_at,
  updated_at,
  columns('^_(id|ids|repairs)$'),
from clean.form
