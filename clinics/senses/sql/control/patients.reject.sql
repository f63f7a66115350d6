-- what of that was rejected: a person each
select '' as key, cast(count(*) as varchar) as value
from reject.patient
