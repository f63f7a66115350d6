-- one row a transfer of a patient from bed to bed
-- map: estado_traslado = raw.traslado."estado"
select
  trimmed(traslado.id) as source_id,
  try_cast(traslado.id as integer) as id,
  paciente.hospital_id,
  try_cast(traslado.paciente_id as integer) as paciente_id,
  try_cast(traslado.cama_origen_id as integer) as cama_origen_id,
  try_cast(traslado.cama_destino_id as integer) as cama_destino_id,
  try_cast(traslado.solicitado_por as integer) as solicitado_por,
  estado.target_value as estado,
  trimmed(traslado.motivo) as motivo,
  sqlite_instant(traslado.solicitado_en) as solicitado_en,
  sqlite_instant(traslado.completado_en) as completado_en,
  traslado._id,
from raw.traslado as traslado
left join clean.paciente as paciente on paciente.id = try_cast(traslado.paciente_id as integer)
left join map.estado_traslado as estado on estado.source_value = traslado.estado
