-- one row a service of the tenant; those of other hospitals in the same database stay out
with
other as (
  select id from golden.hospital where id not in (select id from target.hospital)
)
select
  servicio.id,
  tenant.tenant_id,
  coalesce(servicio.hospital_id, tenant.id) as hospital_id,
  servicio.nombre,
  servicio.codigo,
  servicio.tipo,
  coalesce(servicio.activo, true) as activo,
  servicio.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.servicio as servicio
cross join target.hospital as tenant
where servicio.hospital_id is null or servicio.hospital_id not in (select id from other)
