-- what of that is on invoices that were rejected
with invoices as (
  select distinct "Serie", "Número", right("Fecha", 4) as year, control_amount("Total") as total
  from raw.facturas
  where _id in (select unnest(_record_ids) from reject.invoice)
)
select year as key, cast(sum(total) as varchar) as value
from invoices
group by 1
order by 1
