-- one row a role: documents carry them along, the name is that of the last document that has one
with
item as (
  select unnest(mongo_list(_doc->'$.roles')) as item, _id from raw.lml_users
)
select
  mongo_text(item->'$.id') as source_id,
  arg_max(mongo_text(item->'$.name'), _id) as name,
  list(distinct _id order by _id) as _ids,
from item
where mongo_text(item->'$.id') is not null
group by mongo_text(item->'$.id')
