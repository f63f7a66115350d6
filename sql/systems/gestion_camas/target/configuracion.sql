-- one row a setting of the tenant; those of other hospitals in the same database stay out
with
other as (
  select id from golden.hospital where id not in (select id from target.hospital)
)
select
  configuracion.id,
  tenant.tenant_id,
  configuracion.clave,
  configuracion.valor,
  configuracion.actualizado_en,
  configuracion.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.configuracion as configuracion
cross join target.hospital as tenant
where configuracion.hospital_id is null or configuracion.hospital_id not in (select id from other)
