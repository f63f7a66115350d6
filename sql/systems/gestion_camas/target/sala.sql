-- one row a room of the tenant; those of other hospitals in the same database stay out
with
other as (
  select id from golden.hospital where id not in (select id from target.hospital)
)
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
cross join target.hospital as tenant
where sala.hospital_id is null or sala.hospital_id not in (select id from other)
