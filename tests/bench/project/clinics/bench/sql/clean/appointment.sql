-- one row an appointment
select
  trimmed("Id") as source_id,
  ltrim(trimmed("Nº Historia"), '0') as patient_source_id,
  trimmed("Sala") as room,
  trimmed("Profesional") as professional,
  trimmed("Tratamiento") as treatment,
  case upper("Estado")
    when 'REALIZADA' then 'COMPLETED'
    when 'ANULADA' then 'CANCELLED'
    when 'ANULADA TEL.' then 'CANCELLED'
    when 'NO ASISTIÓ' then 'NO_SHOW'
    when 'CONFIRMADA' then 'CONFIRMED'
    when 'PENDIENTE' then 'SCHEDULED'
  end as status,
  local_ts(cast(parse_date("Fecha") + parse_time("Hora") as varchar), 'Europe/Madrid') as starts_at,
  try_cast("Duración" as integer) as minutes,
  "Observaciones" as notes,
  _id,
from raw.citas
