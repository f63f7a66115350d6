-- patients who were born after the migration was set up: a two-digit year in the wrong century, or a slip
-- severity: critical
select patient.id
from target.patient as patient
cross join meta.clinic as clinic
where patient.birth_date > cast(timezone(clinic.timezone, clinic.epoch) as date)
