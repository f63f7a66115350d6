-- patients by the number of their invoices, and what these come to
with billed as (
  select patient_id, count(*) as invoices, sum(total) as total from invoice group by patient_id
)
select
  cast(invoices as bigint) as invoices,
  cast(count(*) as bigint) as patients,
  cast(sum(total) as text) as total,
  cast(max(total) as text) as most
from billed
group by invoices
order by invoices
