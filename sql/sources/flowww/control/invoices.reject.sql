-- what of that was rejected
select '' as key, cast(count(distinct "Serie" || "Número") as varchar) as value
from raw.facturas
where _id in (select unnest(_record_ids) from reject.invoice)
