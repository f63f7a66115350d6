-- rows that name a bed or a user of another hospital, which no key of the target forbids
-- severity: critical
select traslado.id, traslado.cama_destino_id as parent
from target.traslado as traslado
join golden.cama as cama on cama.id = traslado.cama_destino_id or cama.id = traslado.cama_origen_id
where cama.hospital_id not in (select id from target.hospital)
union all
select paciente.id, paciente.cama_id
from target.paciente as paciente
join golden.cama as cama on cama.id = paciente.cama_id
where cama.hospital_id not in (select id from target.hospital)
