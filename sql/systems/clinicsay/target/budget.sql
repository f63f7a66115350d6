-- one row a budget handed to a patient
select
  budget.golden_id as id,
  clinic.id as clinic_id,
  coalesce(patient.golden_id, ulid_for('patient', migration.product, budget.patient_source_id)) as patient_id,
  coalesce(professional.golden_id, ulid_for('professional', migration.product, budget.professional_source_id)) as professional_id,
  budget.number,
  coalesce(budget.status, 'SENT') as status,
  budget.issued_on,
  budget.valid_until,
  coalesce(budget.currency, migration.currency) as currency,
  coalesce(budget.discount, 0) as discount,
  budget.total,
  budget.notes,
  coalesce(budget.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, budget.source_id, budget.extra) as record_metadata,
  coalesce(budget.created_at, migration.epoch) as created_at,
  coalesce(budget.created_at, migration.epoch) as updated_at,
  budget.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.budget as budget
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.patient as patient on patient.source_id = budget.patient_source_id
left join xref.professional as professional on professional.source_id = budget.professional_source_id
