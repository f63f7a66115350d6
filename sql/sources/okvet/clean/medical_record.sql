-- one row an entry of an animal's clinical history
-- map: record_type = raw.records.tipo
-- map: vet = raw.records.id_veterinario
select
  trimmed(record.id) as source_id,
  trimmed(record.id_paciente) as pet_source_id,
  parse_date(record.fecha) as date,
  kind.target_value as record_type,
  trimmed(record.descripcion) as description,
  trimmed(record.diagnostico) as diagnosis,
  trimmed(record.tratamiento) as treatment,
  nullif(concat_ws(chr(10), record.notas, kept('Veterinario', vet.target_value, record.id_veterinario)), '') as notes,
  vet.target_value as vet_source_id,
  record._id,
  without_nulls([
    date_spelling('date_format', parse_date(record.fecha), record.fecha),
    unread_cell('vet_unknown', vet.target_value, record.id_veterinario)
  ]) as _repairs,
from raw.records as record
left join map.record_type as kind on kind.source_value = record.tipo
left join map.vet as vet on vet.source_value = record.id_veterinario
