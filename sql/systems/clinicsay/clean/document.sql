-- one row a file that belongs to a patient
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  null::varchar as patient_source_id,
  null::varchar as appointment_source_id,
  -- CONSENT, IMAGE, REPORT, OTHER
  null::varchar as kind,
  -- never null
  null::varchar as name,
  null::varchar as mime_type,
  -- unique; where the file lies in storage
  null::varchar as storage_key,
  null::bigint as byte_count,
  -- lower-case hex
  null::varchar as sha256,
  null::timestamptz as signed_at,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
