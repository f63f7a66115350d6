-- one row a person who treats patients
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  null::varchar as site_source_id,
  -- never null
  null::varchar as first_name,
  null::varchar as last_name,
  -- M, F, X
  null::varchar as sex,
  null::varchar as specialty,
  null::varchar as license_number,
  -- one professional an address; blank it where two share one
  null::varchar as email,
  -- E.164
  null::varchar as phone,
  -- #rrggbb
  null::varchar as color,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
