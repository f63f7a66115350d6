-- one row a bed of a room
-- map: estado_cama = raw.cama."estado"
select
  trimmed(cama.id) as source_id,
  try_cast(cama.id as integer) as id,
  sala.hospital_id,
  try_cast(cama.sala_id as integer) as sala_id,
  trimmed(cama.identificador) as identificador,
  estado.target_value as estado,
  sqlite_instant(cama.estado_desde) as estado_desde,
  trimmed(cama.mensaje) as mensaje,
  cell_json(cama.equipamiento) as equipamiento,
  cama._id,
  case when not json_valid(trimmed(cama.equipamiento)) and cell_json(cama.equipamiento) is not null then ['python_json'] end as _repairs,
from raw.cama as cama
left join clean.sala as sala on sala.id = try_cast(cama.sala_id as integer)
left join map.estado_cama as estado on estado.source_value = cama.estado
