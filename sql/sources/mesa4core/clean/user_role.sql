-- one row a role of a user; who stands there twice is one
with
element as (
  select
    mongo_text(_doc->'$._id') as parent_source_id,
    unnest(mongo_list(_doc->'$.roles')) as item,
    _id,
  from raw.lml_users
)
select
  parent_source_id,
  mongo_text(item->'$.id') as member_source_id,
  list(distinct _id order by _id) as _ids,
from element
where mongo_text(item->'$.id') is not null
group by parent_source_id, mongo_text(item->'$.id')
