-- cells of salas that say something and could not be read: the room counts as active
-- severity: warning
select record._id, unnest(without_nulls([
  unread_cell('Activa', cleaned.record_status, record."Activa")
])) as column_name
from raw.salas as record
join clean.room as cleaned on cleaned._id = record._id
