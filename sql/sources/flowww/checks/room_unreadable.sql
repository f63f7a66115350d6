-- cells of salas that say something and could not be read: the room counts as active
-- severity: warning
with cells as (
  select record._id, unnest([
    case when cleaned.record_status is null and trimmed(record."Activa") is not null then 'Activa' end
  ]) as column_name
  from raw.salas as record
  join clean.room as cleaned on cleaned._id = record._id
)
from cells
where column_name is not null
