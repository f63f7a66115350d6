-- what was invoiced by year, in pesos, added up from the figures of the export; of clients who are in it
select
  regexp_extract(fecha, '\d{4}') as key,
  cast(sum(cast(regexp_replace(regexp_replace(total, ',\d\d$', ''), '\D', '', 'g') as bigint)) as varchar) || '.00' as value
from raw.invoices
semi join raw.clients as client on trim(client.id) = trim(invoices.id_cliente)
group by 1
order by 1
