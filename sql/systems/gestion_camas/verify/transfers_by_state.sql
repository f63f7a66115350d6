-- transfers by state, and how many have an end
select cast(estado as text) as estado, cast(count(*) as bigint) as traslados, cast(count(completado_en) as bigint) as completados
from traslado
group by 1
order by 1
