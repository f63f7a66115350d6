-- one row a user; one without a hospital is of all
-- map: rol_usuario = raw.usuario."rol"
select
  trimmed(usuario.id) as source_id,
  try_cast(usuario.id as integer) as id,
  named_hospital(usuario.hospital_id, hospital.id) as hospital_id,
  trimmed(usuario.username) as username,
  trimmed(usuario.nombre_completo) as nombre,
  clean_email(usuario.email) as email,
  usuario.hashed_password,
  rol.target_value as rol,
  parse_yes_no(usuario.is_active) as activo,
  cell_json(usuario.permisos) as permisos,
  sqlite_instant(usuario.ultimo_acceso) as ultimo_acceso,
  usuario._id,
  without_nulls([
    case when not json_valid(trimmed(usuario.permisos)) and cell_json(usuario.permisos) is not null then 'python_json' end,
    case when usuario.email is not null and clean_email(usuario.email) is null then 'email_unreadable' end
  ]) as _repairs,
from raw.usuario as usuario
left join clean.hospital as hospital on hospital.id = try_cast(usuario.hospital_id as integer)
left join map.rol_usuario as rol on rol.source_value = usuario.rol
