-- one row a thing to be done
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  null::varchar as patient_source_id,
  null::varchar as professional_source_id,
  -- never null
  null::varchar as title,
  null::varchar as description,
  -- OPEN, DONE, CANCELLED
  null::varchar as status,
  -- 1 highest to 5
  null::smallint as priority,
  null::timestamptz as due_at,
  -- only where DONE
  null::timestamptz as completed_at,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
