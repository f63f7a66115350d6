-- passages into each state
select cast(to_status as text) as status, cast(count(*) as bigint) as passages, cast(count(distinct order_id) as bigint) as orders
from instruction_states
group by 1
order by 1
