-- what was invoiced by year, in pesos, added up from the figures of the export
select
  coalesce(nullif(regexp_extract(fecha, '\b\d{4}\b'), ''), cast(year(parse_date(fecha)) as varchar)) as key,
  cast(sum(control_amount(total)) as varchar) as value
from raw.invoices
group by 1
order by 1
