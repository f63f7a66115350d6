-- one row a person who works in the clinic
-- the contract: a product that has them gives these columns; null where it does not know
-- origin: none
select
  -- the e-mail, which is the natural key
  null::varchar as source_id,
  -- never null
  null::varchar as first_name,
  null::varchar as last_name,
where false
