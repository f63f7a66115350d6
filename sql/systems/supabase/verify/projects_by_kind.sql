-- files by kind, their size, and how many orders have one
select
  cast(kind as text) as kind,
  cast(count(*) as bigint) as projects,
  cast(sum(file_size) as numeric(38, 0)) as bytes,
  cast(count(distinct order_id) as bigint) as orders
from projects
group by 1
order by 1
