-- one row a vaccine that was given; the target has no notes of one, so what could not be read of it is in those of the animal
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
    date_repair('due_date_unreadable', parse_date(vaccine.fecha_proxima), vaccine.fecha_proxima),
    unread_cell('vaccine_vet_unknown', vet.target_value, vaccine.id_veterinario)
  ]) as _repairs,
from raw.vaccines as vaccine
left join map.vet as vet on vet.source_value = vaccine.id_veterinario
