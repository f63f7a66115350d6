-- the clinic itself: one row, from clinic.toml; its id is the tenant of everything else
-- origin: none
select
  ulid_for('clinic', 'trasvase', migration.name) as id,
  company.id as company_id,
  coalesce((select value from meta.variable where name = 'clinic_name'), company.name) as name,
  migration.timezone,
  migration.country,
  migration.currency,
  migration.locale,
  'ACTIVE' as record_status,
  json_object('source', 'migration', 'product', migration.product, 'source_id', migration.name) as record_metadata,
  migration.epoch as created_at,
  migration.epoch as updated_at,
from meta.clinic as migration
cross join target.company as company
