-- what of that was rejected
select '' as key, printf('%.2f', sum(cast(round(try_cast(total as double) * 100) as bigint)) / 100.0) as value
from raw.claims
where _id in (select unnest(_record_ids) from reject.invoice)
