-- what of that was rejected
select '' as key, cast(sum(try_cast(price as decimal(12, 2))) as varchar) as value
from raw.dispatch_instruction
where _id in (select unnest(_record_ids) from reject.orders)
