-- one row a treatment that the catalogue offers
select
  treatment.golden_id as id,
  clinic.id as clinic_id,
  coalesce(category.golden_id, ulid_for('category', migration.product, treatment.category_source_id)) as category_id,
  treatment.code,
  treatment.name,
  treatment.description,
  treatment.duration_minutes,
  treatment.price,
  coalesce(treatment.tax_rate, 0) as tax_rate,
  coalesce(treatment.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, treatment.source_id, treatment.extra) as record_metadata,
  coalesce(treatment.created_at, migration.epoch) as created_at,
  coalesce(treatment.created_at, migration.epoch) as updated_at,
  treatment.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.treatment as treatment
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.category as category on category.source_id = treatment.category_source_id
