-- one row a patient
select
  patients.golden_id as id,
  patients.first_name,
  patients.last_name,
  patients.birth_date,
  patients.sex,
  patients.email,
  migration_metadata(migration.product, patients.source_id, patients.extra) as metadata,
  coalesce(patients.created_at, migration.epoch) as created_at,
  coalesce(patients.updated_at, patients.created_at, migration.epoch) as updated_at,
  columns('^_(id|ids|repairs)$'),
from golden.patients as patients
cross join meta.clinic as migration
