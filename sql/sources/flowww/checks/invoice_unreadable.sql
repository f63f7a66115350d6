-- cells of facturas that say something and could not be read: null in the invoice
-- severity: warning
with cells as (
  select record._id, unnest([
    case when cleaned.subtotal is null and trimmed(record."Base") is not null then 'Base' end,
    case when cleaned.tax is null and trimmed(record."IVA") is not null then 'IVA' end
  ]) as column_name
  from raw.facturas as record
  join clean.invoice as cleaned on cleaned._ids[1] = record._id
)
from cells
where column_name is not null
