-- one row a vaccine that was given
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as pet_source_id,
  -- never null
  null::varchar as vaccine_name,
  -- never null
  null::date as date_given,
  null::date as next_due_date,
  null::varchar as lot_number,
  null::varchar as manufacturer,
  -- the e-mail of a row of staff
  null::varchar as vet_source_id,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
