-- the hospital whose data this is, by the variable `hospital`: its code is the tenant of everything else
select
  hospital.id,
  hospital.tenant_id,
  hospital.nombre,
  coalesce(hospital.activo, true) as activo,
  coalesce(hospital.creado_en, migration.epoch) as creado_en,
  hospital.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.hospital as hospital
cross join meta.clinic as migration
where hospital.tenant_id = (select value from meta.variable where name = 'hospital')
