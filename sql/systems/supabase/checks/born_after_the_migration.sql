-- patients who were born after the migration was set up
-- severity: critical
select patients.id
from target.patients as patients
cross join meta.clinic as clinic
where patients.birth_date > cast(timezone(clinic.timezone, clinic.epoch) as date)
