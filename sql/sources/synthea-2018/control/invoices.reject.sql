-- what of that was rejected
select '' as key, cast(count(distinct id) as varchar) as value
from raw.claims
where _id in (select unnest(_record_ids) from reject.invoice)
