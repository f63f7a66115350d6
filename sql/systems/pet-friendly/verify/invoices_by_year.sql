-- invoices by year and status, with their sums
select
  cast(cast(extract(year from date) as bigint) as text) as year,
  cast(status as text) as status,
  cast(count(*) as bigint) as invoices,
  cast(sum(subtotal) as text) as subtotal,
  cast(sum(tax) as text) as tax,
  cast(sum(total) as text) as total
from invoice
group by 1, 2
order by 1, 2
