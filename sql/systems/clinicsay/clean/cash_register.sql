-- one row a till, or one session of it
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- null: the first site of clinic.toml
  null::varchar as site_source_id,
  -- never null
  null::varchar as name,
  null::timestamptz as opened_at,
  null::timestamptz as closed_at,
  null::decimal(12,2) as opening_amount,
  null::decimal(12,2) as closing_amount,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
