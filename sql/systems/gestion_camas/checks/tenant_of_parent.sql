-- rows that name a bed or a user whom this tenant does not have but another does, which no key of the target forbids
-- severity: critical
with
elsewhere as (
  select 'cama' as kind, id from golden.cama anti join target.cama using (id)
  union all
  select 'usuario' as kind, id from golden.usuario anti join target.usuario using (id)
)
select traslado.id, elsewhere.kind, elsewhere.id as parent
from target.traslado as traslado
join elsewhere on elsewhere.kind = 'cama' and elsewhere.id in (traslado.cama_origen_id, traslado.cama_destino_id)
  or elsewhere.kind = 'usuario' and elsewhere.id = traslado.solicitado_por
union all
select paciente.id, elsewhere.kind, elsewhere.id
from target.paciente as paciente
join elsewhere on elsewhere.kind = 'cama' and elsewhere.id = paciente.cama_id
