-- one row an area: users and movements carry them along, the name is that of the last document that has one
with
carried as (
  select unnest(mongo_list(_doc->'$.areas')) as item, _id from raw.lml_users
  union all
  select unnest(mongo_list(_doc->'$.movements'))->'$.area' as item, _id from raw.lml_processes
)
select
  mongo_text(item->'$.id') as source_id,
  coalesce(arg_max(mongo_text(item->'$.name'), _id), mongo_text(item->'$.id')) as name,
  list(distinct _id order by _id) as _ids,
from carried
where mongo_text(item->'$.id') is not null
group by mongo_text(item->'$.id')
