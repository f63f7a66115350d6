-- one row a setting, whose value has the type that it was stored with; one without a hospital is of all
select
  trimmed(configuracion.id) as source_id,
  try_cast(configuracion.id as integer) as id,
  named_hospital(configuracion.hospital_id, hospital.id) as hospital_id,
  trimmed(configuracion.clave) as clave,
  -- a text that is JSON is that; any other, such as 0042, stays a text
  case
    when configuracion._type_valor in ('integer', 'real') or json_valid(configuracion.valor) then cast(configuracion.valor as json)
    else to_json(configuracion.valor)
  end as valor,
  sqlite_instant(configuracion.actualizado_en) as actualizado_en,
  configuracion._id,
from raw.configuracion as configuracion
left join clean.hospital as hospital on hospital.id = try_cast(configuracion.hospital_id as integer)
