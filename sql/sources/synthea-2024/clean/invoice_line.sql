-- one row an invoice: the whole claim, since the export does not divide it
select
  encounter.id as source_id,
  encounter.id as invoice_source_id,
  'encounter:' || encounter.code as treatment_source_id,
  encounter.provider as professional_source_id,
  1::integer as position,
  encounter.description as description,
  1::decimal(10,2) as quantity,
  parse_decimal_point(encounter.total_claim_cost) as unit_price,
  null::decimal(12,2) as discount,
  null::decimal(5,2) as tax_rate,
  parse_decimal_point(encounter.total_claim_cost) as total,
  null::varchar as record_status,
  null::timestamptz as created_at,
  null::json as extra,
  encounter._id,
from raw.encounters as encounter
