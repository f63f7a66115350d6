-- one row a weekly stretch in which a professional works
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as professional_source_id,
  null::varchar as site_source_id,
  null::varchar as room_source_id,
  -- 1 Monday to 7 Sunday
  null::smallint as weekday,
  null::time as starts_at,
  null::time as ends_at,
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
