-- cells of bonos that say something and could not be read: null in the plan
-- severity: warning
select record._id, unnest(without_nulls([
  unread_cell('Sesiones', cleaned.session_count, record."Sesiones"),
  case when not is_sentinel_date(record."Fecha compra") then unread_cell('Fecha compra', cleaned.starts_on, record."Fecha compra") end,
  case when not is_sentinel_date(record."Caduca") then unread_cell('Caduca', cleaned.ends_on, record."Caduca") end,
  unread_cell('Consumidas', cleaned.extra ->> 'sessions_used', record."Consumidas"),
  unread_cell('Precio', cleaned.extra ->> 'price', record."Precio")
])) as column_name
from raw.bonos as record
join clean.care_plan as cleaned on cleaned._id = record._id
