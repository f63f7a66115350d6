-- amounts that say something and could not be read: the target wants them, so the invoice or product is refused (not_null of that column)
-- severity: warning
select record._id, unnest(without_nulls([
  unread_cell('subtotal', cleaned.subtotal, record.subtotal),
  unread_cell('iva', cleaned.tax, record.iva),
  unread_cell('total', cleaned.total, record.total)
])) as column_name
from raw.invoices as record
join clean.invoice as cleaned on cleaned._id = record._id
union all
select record._id, unnest(without_nulls([
  unread_cell('precio', cleaned.price, record.precio)
])) as column_name
from raw.products as record
join clean.product as cleaned on cleaned._id = record._id
