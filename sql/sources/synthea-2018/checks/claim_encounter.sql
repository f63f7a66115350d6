-- claims whose ENCOUNTER is no encounter: this export puts the patient's id there, in every one
-- the invoice stays, without its appointment; record_metadata keeps what stood there
-- severity: warning
select claim._id, claim._file, claim._row
from raw.claims as claim
anti join raw.encounters as encounter on encounter.id = claim.encounter
where claim.encounter is not null
