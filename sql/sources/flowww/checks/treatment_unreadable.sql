-- cells of tratamientos that say something and could not be read: the treatment gets what one without them gets
-- severity: warning
select record._id, unnest(without_nulls([
  unread_cell('Duración (min)', cleaned.duration_minutes, record."Duración (min)"),
  unread_cell('Precio', cleaned.price, record."Precio"),
  unread_cell('IVA', cleaned.tax_rate, record."IVA"),
  unread_cell('Activo', cleaned.record_status, record."Activo")
])) as column_name
from raw.tratamientos as record
join clean.treatment as cleaned on cleaned._id = record._id
