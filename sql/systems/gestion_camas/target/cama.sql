-- one row a bed of the tenant; those of other hospitals in the same database stay out (clean/tenancy.sql)
select
  cama.id,
  tenant.tenant_id,
  cama.sala_id,
  cama.identificador,
  cama.estado,
  cama.estado_desde,
  cama.mensaje,
  coalesce(cama.equipamiento, cast('[]' as json)) as equipamiento,
  cama.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.cama as cama
join clean.tenancy as tenant on tenant.hospital_id = coalesce(cama.hospital_id, 0)
