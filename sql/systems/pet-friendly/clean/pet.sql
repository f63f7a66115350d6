-- one row an animal
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as owner_source_id,
  -- never null
  null::varchar as name,
  -- dog, cat, bird, rabbit, rodent, reptile, fish, other; never null
  null::varchar as species,
  null::varchar as breed,
  -- M, F
  null::varchar as sex,
  null::date as birth_date,
  null::decimal(6, 2) as weight_kg,
  null::varchar as color,
  null::varchar as microchip_number,
  null::boolean as is_sterilized,
  null::boolean as is_deceased,
  null::varchar as notes,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
