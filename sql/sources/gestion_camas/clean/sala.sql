-- one row a room of a service
-- map: sexo = raw.sala."sexo_asignado"
select
  trimmed(sala.id) as source_id,
  try_cast(sala.id as integer) as id,
  servicio.hospital_id,
  try_cast(sala.servicio_id as integer) as servicio_id,
  trimmed(sala.numero) as numero,
  parse_yes_no(sala.es_individual) as es_individual,
  sexo.target_value as sexo_asignado,
  sala._id,
from raw.sala as sala
left join clean.servicio as servicio on servicio.id = try_cast(sala.servicio_id as integer)
left join map.sexo as sexo on sexo.source_value = sala.sexo_asignado
