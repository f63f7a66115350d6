-- one row an appointment
select
  appointment.golden_id as id,
  clinic.id as clinic_id,
  coalesce(patient.golden_id, ulid_for('patient', migration.product, appointment.patient_source_id)) as patient_id,
  appointment.room,
  appointment.professional,
  appointment.treatment,
  appointment.status,
  appointment.starts_at,
  appointment.starts_at + to_minutes(appointment.minutes) as ends_at,
  appointment.notes,
  migration.epoch as created_at,
  appointment.source_id as _source_id,
  appointment._id,
from golden.appointment as appointment
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.patient as patient on patient.source_id = appointment.patient_source_id
