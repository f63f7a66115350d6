-- one row a step of a process, in its order
with
element as (
  select
    mongo_text(_doc->'$._id') as parent_source_id,
    unnest(mongo_list(_doc->'$.movements')) as item,
    generate_subscripts(mongo_list(_doc->'$.movements'), 1) as position,
    _id,
  from raw.lml_processes
)
select
  parent_source_id,
  position,
  mongo_text(item->'$.action') as action,
  mongo_text(item->'$.area.id') as area_source_id,
  user_ref(item->'$.user') as user_id,
  mongo_ts(item->'$.date') as moved_at,
  _id,
from element
