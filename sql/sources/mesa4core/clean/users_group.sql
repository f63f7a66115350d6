-- one row a group of users
select
  mongo_text(_doc->'$._id') as source_id,
  mongo_text(_doc->'$.name') as name,
  mongo_text(_doc->'$.description') as description,
  user_ref(_doc->'$.createdBy') as created_by_user_id,
  user_ref(_doc->'$.updatedBy') as updated_by_user_id,
  made_at(_doc->'$.createdAt', _doc->'$.updatedAt', (select epoch from meta.clinic)) as created_at,
  coalesce(mongo_ts(_doc->'$.updatedAt'), made_at(_doc->'$.createdAt', _doc->'$.updatedAt', (select epoch from meta.clinic))) as updated_at,
  made_at_repairs(_doc->'$.createdAt', _doc->'$.updatedAt') as _repairs,
  _id,
from raw.lml_usersgroups
