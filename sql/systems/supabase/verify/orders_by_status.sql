-- orders by state and priority, what they cost, and how many have no dentist
select
  cast(status as text) as status,
  cast(priority as text) as priority,
  cast(count(*) as bigint) as orders,
  cast(sum(price) as numeric(18, 2)) as price,
  cast(count(*) - count(dentist_id) as bigint) as without_dentist
from orders
group by 1, 2
order by 1, 2
