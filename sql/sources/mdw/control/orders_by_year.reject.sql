-- what of that was rejected
select left(created_at, 4) as key, cast(count(*) as varchar) as value
from raw.dispatch_instruction
where _id in (select unnest(_record_ids) from reject.orders)
group by 1
order by 1
