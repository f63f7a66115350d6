-- one row a vaccine that was given
-- map: vet = raw.vaccines.id_veterinario
select
  trimmed(vaccine.id) as source_id,
  trimmed(vaccine.id_paciente) as pet_source_id,
  trimmed(vaccine.vacuna) as vaccine_name,
  parse_date(vaccine.fecha_aplicacion) as date_given,
  parse_date(vaccine.fecha_proxima) as next_due_date,
  trimmed(vaccine.lote) as lot_number,
  trimmed(vaccine.laboratorio) as manufacturer,
  vet.target_value as vet_source_id,
  vaccine._id,
  without_nulls([
    date_spelling('date_format', parse_date(vaccine.fecha_aplicacion), vaccine.fecha_aplicacion),
    case when not is_sentinel_date(vaccine.fecha_proxima) then unread_cell('date_unreadable', parse_date(vaccine.fecha_proxima), vaccine.fecha_proxima) end,
    unread_cell('vet_unknown', vet.target_value, vaccine.id_veterinario)
  ]) as _repairs,
from raw.vaccines as vaccine
left join map.vet as vet on vet.source_value = vaccine.id_veterinario
