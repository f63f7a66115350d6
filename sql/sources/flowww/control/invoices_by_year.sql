-- invoices and credit notes by year, from the export: every number begins with its year
select left("Número", 4) as key, cast(count(distinct "Serie" || "Número") as varchar) as value
from raw.facturas
group by 1
order by 1
