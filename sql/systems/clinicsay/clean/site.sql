-- one row a place where the clinic works, beyond those that clinic.toml names
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as name,
  -- IANA name; null: the clinic's
  null::varchar as timezone,
  -- E.164
  null::varchar as phone,
  null::varchar as address,
  null::varchar as city,
  null::varchar as province,
  null::varchar as postal_code,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
