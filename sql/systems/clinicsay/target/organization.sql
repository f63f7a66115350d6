-- the organization that owns the clinic: one row, from clinic.toml
-- origin: none
select
  ulid_for('organization', 'trasvase', migration.name) as id,
  coalesce((select value from meta.variable where name = 'organization_name'), migration.name) as name,
  'ACTIVE' as record_status,
  json_object('source', 'migration', 'product', migration.product, 'source_id', migration.name) as record_metadata,
  migration.epoch as created_at,
  migration.epoch as updated_at,
from meta.clinic as migration
