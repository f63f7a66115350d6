-- animals that were born after the migration was set up
-- severity: critical
select pet.id, pet.owner_id
from target.pet as pet
cross join meta.clinic as clinic
where pet.birth_date > cast(timezone(clinic.timezone, clinic.epoch) as date)
