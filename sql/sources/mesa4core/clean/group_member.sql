-- one row a member of a group; who stands there twice is one
with
element as (
  select
    mongo_text(_doc->'$._id') as parent_source_id,
    unnest(mongo_list(_doc->'$.members')) as item,
    _id,
  from raw.lml_usersgroups
)
select
  parent_source_id,
  user_ref(item) as member_source_id,
  list(distinct _id order by _id) as _ids,
from element
where user_ref(item) is not null
group by parent_source_id, user_ref(item)
