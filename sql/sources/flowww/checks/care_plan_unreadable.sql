-- cells of bonos that say something and could not be read: null in the plan
-- severity: warning
with cells as (
  select record._id, unnest([
    case when cleaned.session_count is null and trimmed(record."Sesiones") is not null then 'Sesiones' end,
    case when cleaned.starts_on is null and trimmed(record."Fecha compra") is not null and not is_sentinel_date(record."Fecha compra") then 'Fecha compra' end,
    case when cleaned.ends_on is null and trimmed(record."Caduca") is not null and not is_sentinel_date(record."Caduca") then 'Caduca' end,
    case when cleaned.extra ->> 'sessions_used' is null and trimmed(record."Consumidas") is not null then 'Consumidas' end,
    case when cleaned.extra ->> 'price' is null and trimmed(record."Precio") is not null then 'Precio' end
  ]) as column_name
  from raw.bonos as record
  join clean.care_plan as cleaned on cleaned._id = record._id
)
from cells
where column_name is not null
