-- one row an appointment or visit
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- null: the first site of clinic.toml
  null::varchar as site_source_id,
  -- two active appointments of a room may not overlap
  null::varchar as room_source_id,
  -- never null
  null::varchar as patient_source_id,
  null::varchar as professional_source_id,
  null::varchar as treatment_source_id,
  null::varchar as care_plan_source_id,
  -- SCHEDULED, CONFIRMED, ARRIVED, COMPLETED, CANCELLED, NO_SHOW
  null::varchar as status,
  -- never null
  null::timestamptz as starts_at,
  null::timestamptz as ends_at,
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
