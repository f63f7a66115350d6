-- what of that was rejected
select left("Número", 4) as key, cast(count(distinct "Serie" || "Número") as varchar) as value
from raw.facturas
where _id in (select unnest(_record_ids) from reject.invoice)
group by 1
order by 1
