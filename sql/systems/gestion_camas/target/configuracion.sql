-- one row a setting of the tenant; those of other hospitals in the same database stay out (clean/tenancy.sql)
select
  configuracion.id,
  tenant.tenant_id,
  configuracion.clave,
  configuracion.valor,
  configuracion.actualizado_en,
  configuracion.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.configuracion as configuracion
join clean.tenancy as tenant on tenant.hospital_id = coalesce(configuracion.hospital_id, 0)
