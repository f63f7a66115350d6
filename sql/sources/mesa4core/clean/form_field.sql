-- one row a field of a form, in its order
with
element as (
  select
    mongo_text(_doc->'$._id') as parent_source_id,
    unnest(mongo_list(_doc->'$.fields')) as item,
    generate_subscripts(mongo_list(_doc->'$.fields'), 1) as position,
    _id,
  from raw.lml_formbuilder
)
select
  parent_source_id,
  position,
  mongo_text(item->'$.key') as key,
  mongo_text(item->'$.label') as label,
  mongo_text(item->'$.type') as type,
  coalesce(mongo_bool(item->'$.required'), false) as required,
  item->'$.options' as options,
  _id,
from element
