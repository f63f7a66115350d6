-- one row a line of services; the root of the catalogue
select
  service.golden_id as id,
  clinic.id as clinic_id,
  service.name,
  service.description,
  coalesce(service.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, service.source_id, service.extra) as record_metadata,
  coalesce(service.created_at, migration.epoch) as created_at,
  coalesce(service.created_at, migration.epoch) as updated_at,
  service.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.service as service
cross join target.clinic as clinic
cross join meta.clinic as migration
