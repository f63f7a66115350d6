-- one row a family of treatments
with
source as (
  select trimmed("Familia") as name, _id from raw.tratamientos
)
select
  name as source_id,
  name,
  null::varchar as description,
  null::varchar as record_status,
  null::timestamptz as created_at,
  null::json as extra,
  list(_id order by _id) as _ids,
from source
group by name
