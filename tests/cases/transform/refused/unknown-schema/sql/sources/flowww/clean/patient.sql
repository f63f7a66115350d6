-- one patient
select p.id as source_id, p._id
from staging.pacientes p
