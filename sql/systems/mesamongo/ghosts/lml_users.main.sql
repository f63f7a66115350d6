-- a user that only the snapshots in other documents mention
-- its origin is the first record that mentions it
select
  source_id as user_id,
  username,
  email,
  first_name,
  last_name,
  true as deleted,
  coalesce(first_at, (select epoch from meta.clinic)) as created_at,
  coalesce(last_at, first_at, (select epoch from meta.clinic)) as updated_at,
  list_min(_ids) as _id,
from clean.user_snapshot
