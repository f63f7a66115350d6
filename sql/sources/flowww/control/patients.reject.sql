-- what of that was rejected
select '' as key, cast(count(distinct "Nº Historia") as varchar) as value
from raw.pacientes
where _id in (select unnest(_record_ids) from reject.patient)
