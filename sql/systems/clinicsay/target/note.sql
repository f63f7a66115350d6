-- one row an entry of a patient's clinical history
select
  note.golden_id as id,
  clinic.id as clinic_id,
  coalesce(patient.golden_id, ulid_for('patient', migration.product, note.patient_source_id)) as patient_id,
  coalesce(appointment.golden_id, ulid_for('appointment', migration.product, note.appointment_source_id)) as appointment_id,
  coalesce(professional.golden_id, ulid_for('professional', migration.product, note.professional_source_id)) as professional_id,
  coalesce(treatment.golden_id, ulid_for('treatment', migration.product, note.treatment_source_id)) as treatment_id,
  author.id as author_id,
  coalesce(note.kind, 'CLINICAL') as kind,
  note.noted_at,
  note.title,
  note.body,
  coalesce(note.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, note.source_id, note.extra) as record_metadata,
  coalesce(note.created_at, migration.epoch) as created_at,
  coalesce(note.created_at, migration.epoch) as updated_at,
  note.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.note as note
cross join target.clinic as clinic
cross join meta.clinic as migration
cross join target.app_user as author
left join xref.patient as patient on patient.source_id = note.patient_source_id
left join xref.appointment as appointment on appointment.source_id = note.appointment_source_id
left join xref.professional as professional on professional.source_id = note.professional_source_id
left join xref.treatment as treatment on treatment.source_id = note.treatment_source_id
