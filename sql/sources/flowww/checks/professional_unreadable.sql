-- cells of profesionales that say something and could not be read: the professional gets what one without them gets
-- severity: warning
with cells as (
  select record._id, unnest([
    case when cleaned.email is null and trimmed(record."Email") is not null then 'Email' end,
    case when cleaned.phone is null and trimmed(record."Teléfono") is not null then 'Teléfono' end,
    case when cleaned.record_status is null and trimmed(record."Activo") is not null then 'Activo' end
  ]) as column_name
  from raw.profesionales as record
  join clean.professional as cleaned on cleaned._id = record._id
)
from cells
where column_name is not null
