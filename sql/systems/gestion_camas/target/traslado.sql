-- one row a transfer of the tenant; those of other hospitals in the same database stay out
with
other as (
  select id from golden.hospital where id not in (select id from target.hospital)
)
select
  traslado.id,
  tenant.tenant_id,
  traslado.paciente_id,
  traslado.cama_origen_id,
  traslado.cama_destino_id,
  traslado.solicitado_por,
  traslado.estado,
  traslado.motivo,
  traslado.solicitado_en,
  traslado.completado_en,
  traslado.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.traslado as traslado
cross join target.hospital as tenant
where traslado.hospital_id is null or traslado.hospital_id not in (select id from other)
