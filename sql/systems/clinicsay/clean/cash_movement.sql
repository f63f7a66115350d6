-- one row money that went into or out of a till
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as cash_register_source_id,
  null::varchar as payment_source_id,
  -- IN, OUT
  null::varchar as direction,
  -- above zero
  null::decimal(12,2) as amount,
  -- never null
  null::timestamptz as moved_at,
  null::varchar as concept,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
