-- one row a line of a budget
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as budget_source_id,
  null::varchar as treatment_source_id,
  -- from 1, unique within its parent
  null::integer as position,
  -- never null
  null::varchar as description,
  null::decimal(10,2) as quantity,
  -- never null
  null::decimal(12,2) as unit_price,
  null::decimal(12,2) as discount,
  -- percent
  null::decimal(5,2) as tax_rate,
  -- never null
  null::decimal(12,2) as total,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
