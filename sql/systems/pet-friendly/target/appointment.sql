-- one row an appointment
select
  new_key('appointment', appointment.source_id) as id,
  new_key('pet', appointment.pet_source_id) as pet_id,
  appointment.starts_at,
  appointment.duration_minutes,
  coalesce(appointment.reason, '') as reason,
  appointment.status,
  new_key('user', appointment.vet_source_id) as vet_id,
  coalesce(appointment.notes, '') as notes,
  appointment.source_id as external_id,
  migration.epoch as created_at,
  appointment.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.appointment as appointment
cross join meta.clinic as migration
