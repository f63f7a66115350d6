-- what was invoiced by year, added up in cents, from the export; a record that is there twice counts once
with invoices as (
  select distinct "Serie", "Número", right("Fecha", 4) as year, cast(replace(replace("Total", '.', ''), ',', '') as bigint) as cents
  from raw.facturas
)
select year as key, printf('%d.%02d', sum(cents)::bigint // 100, sum(cents)::bigint % 100) as value
from invoices
group by 1
order by 1
