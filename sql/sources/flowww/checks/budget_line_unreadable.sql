-- cells of presupuestos_lineas that say something and could not be read: the line gets what a line without them gets
-- severity: warning
select record._id, unnest(unread_cells_of_line(record, cleaned)) as column_name
from raw.presupuestos_lineas as record
join clean.budget_line as cleaned on cleaned._id = record._id
