-- what of that was rejected
select '' as key, cast(count(*) as varchar) as value
from reject.paciente
