-- what was invoiced by year, added up from the figures of the export; a record that is there twice counts once
with invoices as (
  select distinct "Serie", "Número", right("Fecha", 4) as year, control_amount("Total") as total
  from raw.facturas
)
select year as key, cast(sum(total) as varchar) as value
from invoices
group by 1
order by 1
