-- cells of pacientes that say something and could not be read: the patient gets what one without them gets
-- severity: warning
select record._id, unnest(without_nulls([
  unread_cell('Sexo', cleaned.sex, record."Sexo"),
  case when not is_sentinel_date(record."Fecha alta") then unread_cell('Fecha alta', cleaned.created_at, record."Fecha alta") end,
  unread_cell('Acepta publicidad', cleaned.marketing_consent, record."Acepta publicidad")
])) as column_name
from raw.pacientes as record
join clean.patient as cleaned on cleaned._ids[1] = record._id
