-- one row an animal (paciente)
-- map: species = raw.pets.especie
-- map: breed = trimmed(raza) from raw.pets
with
-- what could not be read of the animal's vaccines, a line a vaccine
vaccine_line as (
  select
    trimmed(vaccine.id_paciente) as pet_id,
    concat_ws(', ',
      'Vacuna ' || coalesce(trimmed(vaccine.vacuna), '') || ' ' || coalesce(trimmed(vaccine.fecha_aplicacion), ''),
      kept_date('próxima', parse_date(vaccine.fecha_proxima), vaccine.fecha_proxima),
      kept('veterinario', vet.target_value, vaccine.id_veterinario)
    ) as line,
    vaccine._id,
  from raw.vaccines as vaccine
  left join map.vet as vet on vet.source_value = vaccine.id_veterinario
  where kept_date('', parse_date(vaccine.fecha_proxima), vaccine.fecha_proxima) is not null
    or kept('', vet.target_value, vaccine.id_veterinario) is not null
),
vaccine_lines as (
  select pet_id, string_agg(line, chr(10) order by _id) as lines from vaccine_line group by pet_id
),
typed as (
  select
    pet.*,
    species.target_value as species,
    coalesce(breed.target_value, name_case(pet.raza)) as breed,
    parse_pet_sex(pet.sexo) as sex,
    parse_date_pivot(pet.fecha_nacimiento, 2026) as birth_date,
    parse_weight(pet.peso) as weight_kg,
    parse_microchip(pet.microchip) as microchip_number,
    parse_yes_no(pet.esterilizado) as is_sterilized,
    parse_yes_no(pet.fallecido) as is_deceased,
    vaccine_lines.lines as vaccine_lines,
  from raw.pets as pet
  left join map.species as species on species.source_value = pet.especie
  left join map.breed as breed on breed.source_value = trimmed(pet.raza)
  left join vaccine_lines on vaccine_lines.pet_id = trimmed(pet.id)
)
select
  trimmed(id) as source_id,
  trimmed(id_cliente) as owner_source_id,
  name_case(nombre) as name,
  species,
  breed,
  sex,
  birth_date,
  cast(weight_kg as decimal(6, 2)) as weight_kg,
  trimmed(lower(color)) as color,
  microchip_number,
  is_sterilized,
  is_deceased,
  nullif(concat_ws(chr(10),
    trimmed(notas),
    kept_date('Nacimiento', birth_date, fecha_nacimiento),
    kept('Peso', weight_kg, peso),
    kept('Microchip', microchip_number, microchip),
    kept('Sexo', sex, sexo),
    kept('Esterilizado', is_sterilized, esterilizado),
    kept('Fallecido', is_deceased, fallecido),
    vaccine_lines
  ), '') as notes,
  _id,
  without_nulls([
    case when name_case(nombre) <> nombre then 'name_spelling' end,
    date_repair('date_unreadable', birth_date, fecha_nacimiento),
    date_spelling('date_format', birth_date, fecha_nacimiento),
    unread_cell('weight_unreadable', weight_kg, peso),
    unread_cell('microchip_unreadable', microchip_number, microchip),
    unread_cell('sex_unreadable', sex, sexo),
    unread_cell('yes_no_unreadable', is_sterilized, esterilizado),
    unread_cell('yes_no_unreadable', is_deceased, fallecido)
  ]) as _repairs,
from typed
