-- one row a till, as its movements name it
with
source as (
  select trimmed("Caja") as name, _id from raw.caja
)
select
  name as source_id,
  null::varchar as site_source_id,
  name,
  null::timestamptz as opened_at,
  null::timestamptz as closed_at,
  null::decimal(12,2) as opening_amount,
  null::decimal(12,2) as closing_amount,
  null::varchar as record_status,
  null::timestamptz as created_at,
  null::json as extra,
  list(_id order by _id) as _ids,
from source
group by name
