-- owners without an animal, in the whole clinic
-- severity: info
select owner.id
from target.owner_profile as owner
anti join target.pet as pet on pet.owner_id = owner.id
