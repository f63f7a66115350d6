-- cells of citas that say something and could not be read: the appointment has no end
-- severity: warning
with cells as (
  select record._id, unnest([
    case when parse_minutes(record."Duración") is null and trimmed(record."Duración") is not null then 'Duración' end
  ]) as column_name
  from raw.citas as record
  join clean.appointment as cleaned on cleaned._ids[1] = record._id
)
from cells
where column_name is not null
