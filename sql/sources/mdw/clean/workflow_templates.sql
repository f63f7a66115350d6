-- one row a template of work
select
  id as source_id,
  trimmed(name) as name,
  trimmed(description) as description,
  parse_yes_no(is_active) as is_active,
  cast(updated_at as timestamptz) as updated_at,
  _id,
from raw.dispatch_template
