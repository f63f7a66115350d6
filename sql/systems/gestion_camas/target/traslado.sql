-- one row a transfer of the tenant; those of other hospitals in the same database stay out (clean/tenancy.sql)
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
join clean.tenancy as tenant on tenant.hospital_id = coalesce(traslado.hospital_id, 0)
