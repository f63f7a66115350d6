-- cells of the hospital's own rows (clean.tenancy) that say something and could not be read: the row goes in without them
-- severity: warning
with
unread as (
  select cleaned.hospital_id, record._id, 'paciente' as table_name, without_nulls([
    case when not is_sentinel_date(record.fecha_nacimiento) then unread_cell('fecha_nacimiento', cleaned.fecha_nacimiento, record.fecha_nacimiento) end,
    unread_cell('es_embarazada', cleaned.es_embarazada, record.es_embarazada),
    unread_cell('requerimientos', cleaned.requerimientos, record.requerimientos),
    unread_cell('creado_en', cleaned.creado_en, record.creado_en),
    unread_cell('actualizado_en', cleaned.actualizado_en, record.actualizado_en)
  ]) as columns
  from raw.paciente as record
  join clean.paciente as cleaned on cleaned._id = record._id
  union all
  select cleaned.hospital_id, record._id, 'cama', without_nulls([
    unread_cell('estado_desde', cleaned.estado_desde, record.estado_desde),
    unread_cell('equipamiento', cleaned.equipamiento, record.equipamiento)
  ])
  from raw.cama as record
  join clean.cama as cleaned on cleaned._id = record._id
  union all
  select cleaned.hospital_id, record._id, 'traslado', without_nulls([
    unread_cell('solicitado_en', cleaned.solicitado_en, record.solicitado_en),
    unread_cell('completado_en', cleaned.completado_en, record.completado_en)
  ])
  from raw.traslado as record
  join clean.traslado as cleaned on cleaned._id = record._id
  union all
  select cleaned.hospital_id, record._id, 'usuario', without_nulls([
    unread_cell('email', cleaned.email, record.email),
    unread_cell('is_active', cleaned.activo, record.is_active),
    unread_cell('permisos', cleaned.permisos, record.permisos),
    unread_cell('ultimo_acceso', cleaned.ultimo_acceso, record.ultimo_acceso)
  ])
  from raw.usuario as record
  join clean.usuario as cleaned on cleaned._id = record._id
  union all
  select cleaned.hospital_id, record._id, 'servicio', without_nulls([unread_cell('activo', cleaned.activo, record.activo)])
  from raw.servicio as record
  join clean.servicio as cleaned on cleaned._id = record._id
  union all
  select cleaned.hospital_id, record._id, 'sala', without_nulls([unread_cell('es_individual', cleaned.es_individual, record.es_individual)])
  from raw.sala as record
  join clean.sala as cleaned on cleaned._id = record._id
  union all
  select cleaned.hospital_id, record._id, 'configuracion', without_nulls([unread_cell('actualizado_en', cleaned.actualizado_en, record.actualizado_en)])
  from raw.configuracion as record
  join clean.configuracion as cleaned on cleaned._id = record._id
)
select unread._id, unread.table_name, unnest(unread.columns) as column_name
from unread
semi join clean.tenancy as tenant on tenant.hospital_id = coalesce(unread.hospital_id, 0)
