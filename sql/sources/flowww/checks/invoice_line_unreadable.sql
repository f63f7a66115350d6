-- cells of facturas_lineas that say something and could not be read: the line gets what a line without them gets
-- severity: warning
select record._id, unnest(unread_cells_of_line(record, cleaned)) as column_name
from raw.facturas_lineas as record
join clean.invoice_line as cleaned on cleaned._ids[1] = record._id
