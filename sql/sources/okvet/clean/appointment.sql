-- one row an appointment (cita)
-- map: appointment_status = raw.appointments.estado
-- map: vet = raw.appointments.id_veterinario
select
  trimmed(appointment.id) as source_id,
  trimmed(appointment.id_paciente) as pet_source_id,
  local_ts(cast(parse_date(appointment.fecha) + parse_time(appointment.hora) as varchar), clinic.timezone) as starts_at,
  cast(parse_minutes(appointment.duracion) as integer) as duration_minutes,
  trimmed(appointment.motivo) as reason,
  state.target_value as status,
  vet.target_value as vet_source_id,
  nullif(concat_ws(chr(10),
    trimmed(appointment.notas),
    kept('Duración', parse_minutes(appointment.duracion), appointment.duracion),
    kept('Veterinario', vet.target_value, appointment.id_veterinario)
  ), '') as notes,
  appointment._id,
  without_nulls([
    date_spelling('date_format', parse_date(appointment.fecha), appointment.fecha),
    unread_cell('duration_unreadable', parse_minutes(appointment.duracion), appointment.duracion),
    unread_cell('vet_unknown', vet.target_value, appointment.id_veterinario)
  ]) as _repairs,
from raw.appointments as appointment
cross join meta.clinic as clinic
left join map.appointment_status as state on state.source_value = appointment.estado
left join map.vet as vet on vet.source_value = appointment.id_veterinario
