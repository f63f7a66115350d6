-- one row an animal
select
  new_key('pet', pet.source_id) as id,
  new_key('owner_profile', coalesce(owner.golden_id, pet.owner_source_id)) as owner_id,
  pet.name,
  pet.species,
  coalesce(pet.breed, '') as breed,
  pet.sex,
  pet.birth_date,
  pet.weight_kg,
  coalesce(pet.color, '') as color,
  pet.microchip_number,
  pet.is_sterilized,
  coalesce(pet.is_deceased, false) as is_deceased,
  coalesce(pet.notes, '') as notes,
  pet.source_id as external_id,
  migration.epoch as created_at,
  pet.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.pet as pet
cross join meta.clinic as migration
left join xref.owner as owner on owner.source_id = pet.owner_source_id
