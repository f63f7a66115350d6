-- cells of facturas that say something and could not be read: null in the invoice
-- severity: warning
select record._id, unnest(without_nulls([
  unread_cell('Base', cleaned.subtotal, record."Base"),
  unread_cell('IVA', cleaned.tax, record."IVA")
])) as column_name
from raw.facturas as record
join clean.invoice as cleaned on cleaned._ids[1] = record._id
