-- cells of presupuestos that say something and could not be read: null in the budget
-- severity: warning
with cells as (
  select record._id, unnest([
    case when cleaned.valid_until is null and trimmed(record."Válido hasta") is not null and not is_sentinel_date(record."Válido hasta") then 'Válido hasta' end
  ]) as column_name
  from raw.presupuestos as record
  join clean.budget as cleaned on cleaned._id = record._id
)
from cells
where column_name is not null
