-- one row a hospital of the database; its code is the tenant
select
  trimmed(id) as source_id,
  try_cast(id as integer) as id,
  try_cast(id as integer) as hospital_id,
  trimmed(codigo) as tenant_id,
  trimmed(nombre) as nombre,
  parse_yes_no(activo) as activo,
  sqlite_instant(creado_en) as creado_en,
  _id,
from raw.hospital
