-- one row an owner of pets
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as first_name,
  null::varchar as last_name,
  -- null: imported_<source_id>@placeholder.local
  null::varchar as email,
  -- E.164
  null::varchar as phone,
  null::varchar as mobile,
  null::varchar as address,
  null::varchar as city,
  null::varchar as notes,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
