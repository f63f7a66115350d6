-- one row a user of the tenant; those of other hospitals in the same database stay out (clean/tenancy.sql)
select
  usuario.id,
  tenant.tenant_id,
  usuario.username,
  coalesce(usuario.nombre, usuario.username) as nombre,
  usuario.email,
  usuario.hashed_password,
  usuario.rol,
  coalesce(usuario.activo, false) as activo,
  coalesce(usuario.permisos, cast('[]' as json)) as permisos,
  usuario.ultimo_acceso,
  usuario.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.usuario as usuario
join clean.tenancy as tenant on tenant.hospital_id = coalesce(usuario.hospital_id, 0)
