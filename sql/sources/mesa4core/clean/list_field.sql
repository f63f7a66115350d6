-- one row a column of a list, in its order
with
element as (
  select
    mongo_text(_doc->'$._id') as parent_source_id,
    unnest(mongo_list(_doc->'$.fields')) as item,
    generate_subscripts(mongo_list(_doc->'$.fields'), 1) as position,
    _id,
  from raw.lml_listbuilder
)
select
  parent_source_id,
  position,
  mongo_text(item->'$.key') as key,
  mongo_text(item->'$.label') as label,
  mongo_bool(item->'$.sortable') as sortable,
  _id,
from element
