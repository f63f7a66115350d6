-- one row an entry of an animal's clinical history
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as pet_source_id,
  -- never null
  null::date as date,
  -- consultation, checkup, surgery, deworming, hospitalization, laboratory, emergency, grooming, other; never null
  null::varchar as record_type,
  null::varchar as description,
  null::varchar as diagnosis,
  null::varchar as treatment,
  null::varchar as notes,
  -- the e-mail of a row of staff
  null::varchar as vet_source_id,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
