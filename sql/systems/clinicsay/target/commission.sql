-- one row what a professional earns, for one treatment or for all
select
  commission.golden_id as id,
  clinic.id as clinic_id,
  coalesce(professional.golden_id, ulid_for('professional', migration.product, commission.professional_source_id)) as professional_id,
  coalesce(treatment.golden_id, ulid_for('treatment', migration.product, commission.treatment_source_id)) as treatment_id,
  commission.percentage,
  commission.amount,
  commission.valid_from,
  commission.valid_until,
  coalesce(commission.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, commission.source_id, commission.extra) as record_metadata,
  coalesce(commission.created_at, migration.epoch) as created_at,
  coalesce(commission.created_at, migration.epoch) as updated_at,
  commission.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.commission as commission
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.professional as professional on professional.source_id = commission.professional_source_id
left join xref.treatment as treatment on treatment.source_id = commission.treatment_source_id
