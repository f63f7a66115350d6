-- one row a product or service of the price list
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as name,
  null::varchar as sku,
  null::varchar as category,
  -- never null
  null::decimal(12, 2) as price,
  null::decimal(12, 2) as cost,
  null::decimal(12, 2) as stock_quantity,
  null::boolean as is_active,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
