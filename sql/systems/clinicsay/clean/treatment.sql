-- one row a treatment that the catalogue offers
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as category_source_id,
  -- unique within its category, whatever the case
  null::varchar as code,
  -- never null
  null::varchar as name,
  null::varchar as description,
  null::smallint as duration_minutes,
  null::decimal(12,2) as price,
  -- percent
  null::decimal(5,2) as tax_rate,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
