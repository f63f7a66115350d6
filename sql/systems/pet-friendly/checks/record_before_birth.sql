-- entries of the clinical history from before the animal's birth
-- severity: warning
select record.id, record.pet_id
from target.medical_record as record
join target.pet as pet on pet.id = record.pet_id
where record.date < pet.birth_date
