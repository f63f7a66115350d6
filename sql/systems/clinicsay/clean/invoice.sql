-- one row an invoice
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  -- never null
  null::varchar as patient_source_id,
  null::varchar as appointment_source_id,
  null::varchar as budget_source_id,
  -- the invoice that this one corrects
  null::varchar as rectifies_source_id,
  null::varchar as series,
  -- unique within clinic and series
  null::varchar as number,
  -- DRAFT, ISSUED, PAID, CANCELLED
  null::varchar as status,
  -- never null
  null::date as issued_on,
  null::date as due_on,
  -- ISO 4217; null: the clinic's
  null::varchar as currency,
  -- before tax
  null::decimal(12,2) as subtotal,
  null::decimal(12,2) as tax,
  -- never null
  null::decimal(12,2) as total,
  null::varchar as notes,
  -- ACTIVE, ARCHIVED, DELETED; null: ACTIVE
  null::varchar as record_status,
  -- null: the clinic's epoch
  null::timestamptz as created_at,
  -- what has no column of its own; kept in record_metadata
  null::json as extra,
  -- or list(_id order by _id) as _ids
  null::bigint as _id,
where false
