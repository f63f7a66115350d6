-- one row a category of treatments
select
  category.golden_id as id,
  clinic.id as clinic_id,
  coalesce(service.golden_id, ulid_for('service', migration.product, category.service_source_id)) as service_id,
  category.name,
  coalesce(category.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, category.source_id, category.extra) as record_metadata,
  coalesce(category.created_at, migration.epoch) as created_at,
  coalesce(category.created_at, migration.epoch) as updated_at,
  category.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.category as category
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.service as service on service.source_id = category.service_source_id
