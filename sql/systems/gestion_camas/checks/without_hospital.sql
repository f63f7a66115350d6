-- rows of which the database does not say whose they are, also transfers whose patient is gone: they come to the tenant that the variable
-- `without_hospital` names, and to no other
-- severity: warning
with
astray as (
  select 'servicio' as table_name, servicio._id from golden.servicio as servicio where servicio.hospital_id is null
  union all
  select 'sala', sala._id from golden.sala as sala where sala.hospital_id is null
  union all
  select 'cama', cama._id from golden.cama as cama where cama.hospital_id is null
  union all
  select 'usuario', usuario._id from golden.usuario as usuario where usuario.hospital_id is null
  union all
  select 'paciente', paciente._id from golden.paciente as paciente where paciente.hospital_id is null
  union all
  select 'traslado', traslado._id from golden.traslado as traslado where traslado.hospital_id is null
  union all
  select 'configuracion', configuracion._id from golden.configuracion as configuracion where configuracion.hospital_id is null
)
select astray.table_name, astray._id
from astray
semi join clean.tenancy as tenant on tenant.hospital_id = 0
