-- one row a subfamily of treatments
with
source as (
  select trimmed("Familia") as family, trimmed("Subfamilia") as name, _id from raw.tratamientos
)
select
  family || ' / ' || name as source_id,
  family as service_source_id,
  name,
  null::varchar as record_status,
  null::timestamptz as created_at,
  null::json as extra,
  list(_id order by _id) as _ids,
from source
group by family, name
