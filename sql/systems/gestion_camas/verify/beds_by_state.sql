-- beds by state
select cast(estado as text) as estado, cast(count(*) as bigint) as camas
from cama
group by 1
order by 1
