-- one row a patient of the tenant; those of other hospitals in the same database stay out (clean/tenancy.sql)
select
  paciente.id,
  tenant.tenant_id,
  paciente.cama_id,
  paciente.nombre,
  paciente.run,
  paciente.sexo,
  paciente.fecha_nacimiento,
  coalesce(paciente.es_embarazada, false) as es_embarazada,
  coalesce(paciente.aislamiento, 'NINGUNO') as aislamiento,
  paciente.diagnostico,
  coalesce(paciente.requerimientos, cast('{}' as json)) as requerimientos,
  coalesce(paciente.creado_en, migration.epoch) as creado_en,
  coalesce(paciente.actualizado_en, paciente.creado_en, migration.epoch) as actualizado_en,
  paciente.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.paciente as paciente
join clean.tenancy as tenant on tenant.hospital_id = coalesce(paciente.hospital_id, 0)
cross join meta.clinic as migration
