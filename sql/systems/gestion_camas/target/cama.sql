-- one row a bed of the tenant; those of other hospitals in the same database stay out
with
other as (
  select id from golden.hospital where id not in (select id from target.hospital)
)
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
cross join target.hospital as tenant
where cama.hospital_id is null or cama.hospital_id not in (select id from other)
