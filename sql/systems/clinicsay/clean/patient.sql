-- one row a patient
-- the contract: a product that has them gives these columns; null where it does not know
select
  -- natural key, unique after cleaning
  null::varchar as source_id,
  null::varchar as site_source_id,
  -- unique within the clinic
  null::varchar as chart_number,
  -- never null
  null::varchar as first_name,
  null::varchar as last_name,
  null::varchar as second_last_name,
  null::date as birth_date,
  null::date as death_date,
  -- M, F, X
  null::varchar as sex,
  -- normalised; unique among the clinic's active patients
  null::varchar as national_id,
  null::varchar as email,
  -- E.164
  null::varchar as phone,
  -- E.164
  null::varchar as second_phone,
  null::varchar as address,
  null::varchar as city,
  null::varchar as province,
  null::varchar as postal_code,
  -- ISO 3166 alpha-2
  null::varchar as country,
  null::boolean as marketing_consent,
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
