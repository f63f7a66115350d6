-- one row a user
select
  mongo_text(_doc->'$._id') as source_id,
  mongo_text(_doc->'$.username') as username,
  clean_email(mongo_text(_doc->'$.email')) as email,
  mongo_text(_doc->'$.firstName') as first_name,
  mongo_text(_doc->'$.lastName') as last_name,
  mongo_text(_doc->'$.dni') as dni,
  coalesce(mongo_bool(_doc->'$.deleted'), false) as deleted,
  made_at(_doc->'$.createdAt', _doc->'$.updatedAt', (select epoch from meta.clinic)) as created_at,
  coalesce(mongo_ts(_doc->'$.updatedAt'), made_at(_doc->'$.createdAt', _doc->'$.updatedAt', (select epoch from meta.clinic))) as updated_at,
  made_at_repairs(_doc->'$.createdAt', _doc->'$.updatedAt') as _repairs,
  _id,
from raw.lml_users
