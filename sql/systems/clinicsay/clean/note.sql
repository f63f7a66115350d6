-- one row an entry of a patient's clinical history
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as patient_source_id,
  null::varchar as appointment_source_id,
  null::varchar as professional_source_id,
  null::varchar as treatment_source_id,
  -- CLINICAL, DIAGNOSIS, PROCEDURE, IMMUNIZATION, ALLERGY, ADMINISTRATIVE
  null::varchar as kind,
  -- never null
  null::timestamptz as noted_at,
  null::varchar as title,
  -- never null
  null::varchar as body,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
