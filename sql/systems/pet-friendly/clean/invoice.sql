-- one row an invoice
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as owner_source_id,
  -- never null
  null::varchar as number,
  -- never null
  null::date as date,
  null::date as due_date,
  -- draft, issued, paid, void; never null
  null::varchar as status,
  -- never null; subtotal and tax add up to the total
  null::decimal(12, 2) as subtotal,
  null::decimal(12, 2) as tax,
  null::decimal(12, 2) as total,
  null::varchar as notes,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
