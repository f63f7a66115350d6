-- one row a service of a hospital
-- map: tipo_servicio = raw.servicio."tipo"
select
  trimmed(servicio.id) as source_id,
  try_cast(servicio.id as integer) as id,
  named_hospital(servicio.hospital_id, hospital.id) as hospital_id,
  trimmed(servicio.nombre) as nombre,
  trimmed(servicio.codigo) as codigo,
  tipo.target_value as tipo,
  parse_yes_no(servicio.activo) as activo,
  servicio._id,
from raw.servicio as servicio
left join clean.hospital as hospital on hospital.id = try_cast(servicio.hospital_id as integer)
left join map.tipo_servicio as tipo on tipo.source_value = servicio.tipo
