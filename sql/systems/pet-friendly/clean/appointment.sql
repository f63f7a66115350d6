-- one row an appointment
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as pet_source_id,
  -- never null
  null::timestamptz as starts_at,
  null::integer as duration_minutes,
  null::varchar as reason,
  -- scheduled, confirmed, completed, cancelled, no_show; never null
  null::varchar as status,
  -- the e-mail of a row of staff
  null::varchar as vet_source_id,
  null::varchar as notes,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
