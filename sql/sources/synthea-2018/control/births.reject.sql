-- what of that was rejected
select '' as key, cast(sum(case when try_cast(birthdate as date) is not null then try_cast(substr(birthdate, 1, 4) as bigint) end) as varchar) as value
from raw.patients
where _id in (select unnest(_record_ids) from reject.patient)
