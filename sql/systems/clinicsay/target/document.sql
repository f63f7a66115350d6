-- one row a file that belongs to a patient
select
  document.golden_id as id,
  clinic.id as clinic_id,
  coalesce(patient.golden_id, ulid_for('patient', migration.product, document.patient_source_id)) as patient_id,
  coalesce(appointment.golden_id, ulid_for('appointment', migration.product, document.appointment_source_id)) as appointment_id,
  coalesce(document.kind, 'OTHER') as kind,
  document.name,
  document.mime_type,
  document.storage_key,
  document.byte_count,
  document.sha256,
  document.signed_at,
  coalesce(document.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, document.source_id, document.extra) as record_metadata,
  coalesce(document.created_at, migration.epoch) as created_at,
  coalesce(document.created_at, migration.epoch) as updated_at,
  document.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.document as document
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.patient as patient on patient.source_id = document.patient_source_id
left join xref.appointment as appointment on appointment.source_id = document.appointment_source_id
