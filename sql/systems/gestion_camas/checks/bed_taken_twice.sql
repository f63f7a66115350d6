-- patients who lie in one bed at once
-- severity: warning
select paciente.id, paciente.cama_id
from target.paciente as paciente
where paciente.cama_id in (select cama_id from target.paciente where cama_id is not null group by cama_id having count(*) > 1)
