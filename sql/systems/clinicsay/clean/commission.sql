-- one row what a professional earns, for one treatment or for all
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as professional_source_id,
  -- null: all treatments
  null::varchar as treatment_source_id,
  -- this or amount
  null::decimal(5,2) as percentage,
  -- this or percentage
  null::decimal(12,2) as amount,
  null::date as valid_from,
  null::date as valid_until,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
