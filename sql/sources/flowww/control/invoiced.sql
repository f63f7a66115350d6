-- what was invoiced, added up from the figures of the export; a record that is there twice counts once
with invoices as (
  select distinct "Serie", "Número", control_amount("Total") as total
  from raw.facturas
)
select '' as key, cast(sum(total) as varchar) as value
from invoices
