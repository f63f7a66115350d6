-- entries, vaccines and documents by species
select
  cast(pet.species as text) as species,
  cast(count(*) as bigint) as pets,
  cast(coalesce(sum((select count(*) from medical_record where medical_record.pet_id = pet.id)), 0) as bigint) as records,
  cast(coalesce(sum((select count(*) from vaccination_record where vaccination_record.pet_id = pet.id)), 0) as bigint) as vaccines
from pet
group by 1
order by 1
