-- one row a setting, whose value has the type that it was stored with; without a hospital the tenant's
select
  trimmed(id) as source_id,
  try_cast(id as integer) as id,
  try_cast(hospital_id as integer) as hospital_id,
  trimmed(clave) as clave,
  -- a text that is JSON is that; any other, such as 0042, stays a text
  case when _type_valor in ('integer', 'real') or json_valid(valor) then cast(valor as json) else to_json(valor) end as valor,
  sqlite_instant(actualizado_en) as actualizado_en,
  _id,
from raw.configuracion
