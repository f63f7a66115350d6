-- patients of one tenant with one run: a person who was admitted twice under two numbers
-- severity: warning
select paciente.id, paciente.run
from target.paciente as paciente
where paciente.run in (select run from target.paciente where run is not null group by run having count(*) > 1)
