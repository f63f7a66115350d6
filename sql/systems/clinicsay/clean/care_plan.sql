-- one row a plan of treatment for a patient
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as patient_source_id,
  null::varchar as professional_source_id,
  null::varchar as treatment_source_id,
  -- never null
  null::varchar as name,
  -- PROPOSED, ACTIVE, COMPLETED, CANCELLED
  null::varchar as status,
  null::date as starts_on,
  null::date as ends_on,
  null::smallint as session_count,
  null::varchar as reason,
  null::varchar as notes,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
