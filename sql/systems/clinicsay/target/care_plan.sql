-- one row a plan of treatment for a patient
select
  care_plan.golden_id as id,
  clinic.id as clinic_id,
  coalesce(patient.golden_id, ulid_for('patient', migration.product, care_plan.patient_source_id)) as patient_id,
  coalesce(professional.golden_id, ulid_for('professional', migration.product, care_plan.professional_source_id)) as professional_id,
  coalesce(treatment.golden_id, ulid_for('treatment', migration.product, care_plan.treatment_source_id)) as treatment_id,
  care_plan.name,
  coalesce(care_plan.status, 'PROPOSED') as status,
  care_plan.starts_on,
  care_plan.ends_on,
  care_plan.session_count,
  care_plan.reason,
  care_plan.notes,
  coalesce(care_plan.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, care_plan.source_id, care_plan.extra) as record_metadata,
  coalesce(care_plan.created_at, migration.epoch) as created_at,
  coalesce(care_plan.created_at, migration.epoch) as updated_at,
  care_plan.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.care_plan as care_plan
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.patient as patient on patient.source_id = care_plan.patient_source_id
left join xref.professional as professional on professional.source_id = care_plan.professional_source_id
left join xref.treatment as treatment on treatment.source_id = care_plan.treatment_source_id
