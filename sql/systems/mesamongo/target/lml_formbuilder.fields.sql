-- one row a field of a form
select
  parent_source_id as form_id,
  position,
  key,
  label,
  type,
  required,
  options,
  columns('^_(id|ids|repairs)$'),
from clean.form_field
