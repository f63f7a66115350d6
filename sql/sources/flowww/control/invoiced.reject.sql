-- what of that is on invoices that were rejected
with invoices as (
  select distinct "Serie", "Número", control_amount("Total") as total
  from raw.facturas
  where _id in (select unnest(_record_ids) from reject.invoice)
)
select '' as key, cast(sum(total) as varchar) as value
from invoices
