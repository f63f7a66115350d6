-- cells of the old database that say something and could not be read: the row goes in without them
-- severity: warning
select record._id, unnest(without_nulls([
  unread_cell('fecha_nacimiento', cleaned.fecha_nacimiento, record.fecha_nacimiento),
  unread_cell('es_embarazada', cleaned.es_embarazada, record.es_embarazada),
  unread_cell('requerimientos', cleaned.requerimientos, record.requerimientos),
  unread_cell('creado_en', cleaned.creado_en, record.creado_en),
  unread_cell('actualizado_en', cleaned.actualizado_en, record.actualizado_en)
])) as column_name
from raw.paciente as record
join clean.paciente as cleaned on cleaned._id = record._id
union all
select record._id, unnest(without_nulls([
  unread_cell('estado_desde', cleaned.estado_desde, record.estado_desde),
  unread_cell('equipamiento', cleaned.equipamiento, record.equipamiento)
])) as column_name
from raw.cama as record
join clean.cama as cleaned on cleaned._id = record._id
union all
select record._id, unnest(without_nulls([
  unread_cell('email', cleaned.email, record.email),
  unread_cell('permisos', cleaned.permisos, record.permisos),
  unread_cell('ultimo_acceso', cleaned.ultimo_acceso, record.ultimo_acceso)
])) as column_name
from raw.usuario as record
join clean.usuario as cleaned on cleaned._id = record._id
