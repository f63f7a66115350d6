-- one row a file that belongs to an animal (adjunto)
-- map: document_kind = raw.documents.tipo
select
  trimmed(document.id) as source_id,
  trimmed(document.id_paciente) as pet_source_id,
  trimmed(document.nombre) as title,
  trimmed(document.archivo) as file,
  kind.target_value as kind,
  parse_date(document.fecha) as date,
  nullif(concat_ws(chr(10),
    trimmed(document.notas),
    kept_date('Fecha', parse_date(document.fecha), document.fecha)
  ), '') as notes,
  document._id,
  without_nulls([
    date_spelling('date_format', parse_date(document.fecha), document.fecha),
    date_repair('date_unreadable', parse_date(document.fecha), document.fecha)
  ]) as _repairs,
from raw.documents as document
left join map.document_kind as kind on kind.source_value = document.tipo
