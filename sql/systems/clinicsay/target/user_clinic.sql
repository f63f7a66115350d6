-- the SYSTEM user's membership of the clinic: one row
-- origin: none
select
  ulid_for('user_clinic', 'trasvase', migration.name) as id,
  clinic.id as clinic_id,
  app_user.id as user_id,
  'MIGRATION' as role,
  'ACTIVE' as record_status,
  json_object('source', 'migration', 'product', migration.product, 'source_id', migration.name) as record_metadata,
  migration.epoch as created_at,
  migration.epoch as updated_at,
from meta.clinic as migration
cross join target.clinic as clinic
cross join target.app_user as app_user
