-- invoices by year of issue and status: how many, how much, and how much of it was paid
with paid as (
  select invoice_id, sum(amount) as amount from payment group by invoice_id
)
select
  cast(cast(extract(year from invoice.issued_on) as bigint) as text) as year,
  cast(invoice.status as text) as status,
  cast(count(*) as bigint) as invoices,
  cast(sum(invoice.total) as text) as total,
  cast(sum(paid.amount) as text) as paid
from invoice
left join paid on paid.invoice_id = invoice.id
group by 1, 2
order by 1, 2
