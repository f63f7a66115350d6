-- one row an animal (paciente)
-- map: species = raw.pets.especie
-- map: breed = trimmed(raza) from raw.pets
with typed as (
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
  from raw.pets as pet
  left join map.species as species on species.source_value = pet.especie
  left join map.breed as breed on breed.source_value = trimmed(pet.raza)
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
    case when birth_date is null and not is_sentinel_date(fecha_nacimiento) then 'Nacimiento: ' || trimmed(fecha_nacimiento) end,
    case when weight_kg is null then 'Peso: ' || trimmed(peso) end,
    case when microchip_number is null then 'Microchip: ' || trimmed(microchip) end
  ), '') as notes,
  _id,
  without_nulls([
    case when name_case(nombre) <> nombre then 'name_spelling' end,
    case when is_sentinel_date(fecha_nacimiento) then 'sentinel_date' else unread_cell('date_unreadable', birth_date, fecha_nacimiento) end,
    date_spelling('date_format', birth_date, fecha_nacimiento),
    unread_cell('weight_unreadable', weight_kg, peso),
    unread_cell('microchip_unreadable', microchip_number, microchip),
    unread_cell('sex_unreadable', sex, sexo),
    unread_cell('yes_no_unreadable', is_sterilized, esterilizado),
    unread_cell('yes_no_unreadable', is_deceased, fallecido)
  ]) as _repairs,
from typed
