-- what was invoiced, added up in cents, from the export; a record that is there twice counts once
with invoices as (
  select distinct "Serie", "Número", cast(replace(replace("Total", '.', ''), ',', '') as bigint) as cents
  from raw.facturas
)
select '' as key, printf('%d.%02d', sum(cents)::bigint // 100, sum(cents)::bigint % 100) as value
from invoices
