-- cells of tratamientos that say something and could not be read: the treatment gets what one without them gets
-- severity: warning
with cells as (
  select record._id, unnest([
    case when cleaned.duration_minutes is null and trimmed(record."Duración (min)") is not null then 'Duración (min)' end,
    case when cleaned.price is null and trimmed(record."Precio") is not null then 'Precio' end,
    case when cleaned.tax_rate is null and trimmed(record."IVA") is not null then 'IVA' end,
    case when cleaned.record_status is null and trimmed(record."Activo") is not null then 'Activo' end
  ]) as column_name
  from raw.tratamientos as record
  join clean.treatment as cleaned on cleaned._id = record._id
)
from cells
where column_name is not null
