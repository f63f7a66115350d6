-- one row a budget handed to a patient
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as patient_source_id,
  null::varchar as professional_source_id,
  -- unique within the clinic
  null::varchar as number,
  -- DRAFT, SENT, ACCEPTED, REJECTED, EXPIRED
  null::varchar as status,
  -- never null
  null::date as issued_on,
  null::date as valid_until,
  -- ISO 4217; null: the clinic's
  null::varchar as currency,
  null::decimal(12,2) as discount,
  -- never null
  null::decimal(12,2) as total,
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
