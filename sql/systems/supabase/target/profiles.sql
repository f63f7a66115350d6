-- one row a member of staff, bound to the account of the same id
select
  profiles.golden_id as id,
  profiles.username,
  profiles.first_name,
  profiles.last_name,
  profiles.role,
  coalesce(profiles.is_active, true) as is_active,
  migration_metadata(migration.product, profiles.source_id, profiles.extra) as metadata,
  coalesce(profiles.created_at, migration.epoch) as created_at,
  coalesce(profiles.created_at, migration.epoch) as updated_at,
  columns('^_(id|ids|repairs)$'),
from golden.profiles as profiles
cross join meta.clinic as migration
