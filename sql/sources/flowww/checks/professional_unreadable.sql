-- cells of profesionales that say something and could not be read: the professional gets what one without them gets
-- severity: warning
select record._id, unnest(without_nulls([
  unread_cell('Email', cleaned.email, record."Email"),
  unread_cell('Teléfono', cleaned.phone, record."Teléfono"),
  unread_cell('Activo', cleaned.record_status, record."Activo")
])) as column_name
from raw.profesionales as record
join clean.professional as cleaned on cleaned._id = record._id
