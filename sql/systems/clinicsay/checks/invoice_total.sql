-- invoices whose lines do not add up to the total; one without lines is none of them
-- severity: critical
with lines as (
  select invoice_id, sum(total) as total from target.invoice_line group by invoice_id
)
select invoice.id, invoice.patient_id
from target.invoice as invoice
join lines on lines.invoice_id = invoice.id
where lines.total <> invoice.total
