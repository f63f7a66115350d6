-- invoices that were paid more than once over: their payments exceed the total
-- severity: warning
with paid as (
  select invoice_id, sum(amount) as amount from target.payment where invoice_id is not null group by invoice_id
)
select invoice.id, invoice.patient_id
from target.invoice as invoice
join paid on paid.invoice_id = invoice.id
where paid.amount > invoice.total
