-- one patient
select
  id as source_id,
	nombree as name,
  _id
from raw.pacientes
