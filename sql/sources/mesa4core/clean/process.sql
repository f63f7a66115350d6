-- one row a process
select
  mongo_text(_doc->'$._id') as source_id,
  mongo_text(_doc->'$.processNumber') as number,
  mongo_text(_doc->'$.processType.id') as process_type_source_id,
  mongo_text(_doc->'$.status') as status,
  try_cast(mongo_number(_doc->'$.amount') as decimal(18, 2)) as amount,
  _doc->'$.data' as data,
  user_ref(_doc->'$.createdBy') as created_by_user_id,
  user_ref(_doc->'$.updatedBy') as updated_by_user_id,
  made_at(_doc->'$.createdAt', _doc->'$.updatedAt', (select epoch from meta.clinic)) as created_at,
  coalesce(mongo_ts(_doc->'$.updatedAt'), made_at(_doc->'$.createdAt', _doc->'$.updatedAt', (select epoch from meta.clinic))) as updated_at,
  made_at_repairs(_doc->'$.createdAt', _doc->'$.updatedAt') || without_nulls([
    unread_cell('amount_unreadable', try_cast(mongo_number(_doc->'$.amount') as decimal(18, 2)), mongo_text(_doc->'$.amount'))
  ]) as _repairs,
  _id,
from raw.lml_processes
