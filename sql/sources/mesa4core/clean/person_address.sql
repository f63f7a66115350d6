-- one row an address of a person, in its order
with
element as (
  select
    mongo_text(_doc->'$._id') as parent_source_id,
    unnest(mongo_list(_doc->'$.addresses')) as item,
    generate_subscripts(mongo_list(_doc->'$.addresses'), 1) as position,
    _id,
  from raw.lml_people
)
select
  parent_source_id,
  position,
  mongo_text(item->'$.street') as street,
  mongo_text(item->'$.number') as number,
  mongo_text(item->'$.city') as city,
  mongo_text(item->'$.province') as province,
  item->'$.location' as location,
  _id,
from element
