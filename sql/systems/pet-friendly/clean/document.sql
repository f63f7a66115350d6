-- one row a file that belongs to an animal
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as pet_source_id,
  -- never null
  null::varchar as title,
  -- never null
  null::varchar as file,
  -- photo, image, laboratory, consent, other; never null
  null::varchar as kind,
  null::date as date,
  null::varchar as notes,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
