-- what of that is on invoices that were rejected, by the same figures
select
  coalesce(nullif(regexp_extract(fecha, '\b\d{4}\b'), ''), cast(year(parse_date(fecha)) as varchar)) as key,
  cast(sum(control_amount(total)) as varchar) as value
from raw.invoices
where _id in (select _id from reject.invoice)
group by 1
order by 1
