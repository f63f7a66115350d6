-- one row money received from or for a patient, negative where it was given back
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as patient_source_id,
  null::varchar as invoice_source_id,
  null::varchar as budget_source_id,
  -- CASH, CARD, TRANSFER, DIRECT_DEBIT, FINANCING, INSURANCE, OTHER
  null::varchar as method,
  -- never null
  null::timestamptz as paid_at,
  -- never null or zero
  null::decimal(12,2) as amount,
  null::varchar as reference,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
