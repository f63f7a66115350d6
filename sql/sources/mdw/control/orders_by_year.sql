-- orders by the year in which they were opened, from the old system
select left(created_at, 4) as key, cast(count(*) as varchar) as value
from raw.dispatch_instruction
group by 1
order by 1
