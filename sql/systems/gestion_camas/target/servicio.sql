-- one row a service of the tenant; those of other hospitals in the same database stay out (clean/tenancy.sql)
select
  servicio.id,
  tenant.tenant_id,
  coalesce(servicio.hospital_id, hospital.id) as hospital_id,
  servicio.nombre,
  servicio.codigo,
  servicio.tipo,
  coalesce(servicio.activo, true) as activo,
  servicio.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.servicio as servicio
join clean.tenancy as tenant on tenant.hospital_id = coalesce(servicio.hospital_id, 0)
cross join target.hospital as hospital
