-- cells of presupuestos that say something and could not be read: null in the budget
-- severity: warning
select record._id, unnest(without_nulls([
  case when not is_sentinel_date(record."Válido hasta") then unread_cell('Válido hasta', cleaned.valid_until, record."Válido hasta") end
])) as column_name
from raw.presupuestos as record
join clean.budget as cleaned on cleaned._id = record._id
