-- cells of citas that say something and could not be read: the appointment has no end
-- severity: warning
select record._id, unnest(without_nulls([
  unread_cell('Duración', parse_minutes(record."Duración"), record."Duración")
])) as column_name
from raw.citas as record
join clean.appointment as cleaned on cleaned._ids[1] = record._id
