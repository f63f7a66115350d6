-- one row a room of the tenant; those of other hospitals in the same database stay out (clean/tenancy.sql)
select
  sala.id,
  tenant.tenant_id,
  sala.servicio_id,
  sala.numero,
  coalesce(sala.es_individual, false) as es_individual,
  sala.sexo_asignado,
  sala.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.sala as sala
join clean.tenancy as tenant on tenant.hospital_id = coalesce(sala.hospital_id, 0)
