-- the SYSTEM user that stands as author of what was migrated: one row, from clinic.toml
-- origin: none
select
  ulid_for('app_user', 'trasvase', migration.name) as id,
  'SYSTEM' as type,
  coalesce((select value from meta.variable where name = 'migration_user_name'), 'Migration') as name,
  -- unique in the whole database, so the clinic's own name is in it
  coalesce((select value from meta.variable where name = 'migration_user_email'), 'migration+' || migration.name || '@trasvase.invalid') as email,
  'ACTIVE' as record_status,
  json_object('source', 'migration', 'product', migration.product, 'source_id', migration.name) as record_metadata,
  migration.epoch as created_at,
  migration.epoch as updated_at,
from meta.clinic as migration
