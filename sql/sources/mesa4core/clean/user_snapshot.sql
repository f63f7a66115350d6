-- one row a user that other documents mention, with what the latest of them says
with
mention as (
  select _doc->'$.createdBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_usersgroups
  union all
  select _doc->'$.updatedBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_usersgroups
  union all
  select _doc->'$.createdBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_formbuilder
  union all
  select _doc->'$.updatedBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_formbuilder
  union all
  select _doc->'$.createdBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_listbuilder
  union all
  select _doc->'$.updatedBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_listbuilder
  union all
  select _doc->'$.createdBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_processtypes
  union all
  select _doc->'$.updatedBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_processtypes
  union all
  select _doc->'$.createdBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_people
  union all
  select _doc->'$.updatedBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_people
  union all
  select _doc->'$.createdBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_processes
  union all
  select _doc->'$.updatedBy' as snapshot, coalesce(mongo_ts(_doc->'$.updatedAt'), mongo_ts(_doc->'$.createdAt')) as seen_at, _id from raw.lml_processes
  union all
  select unnest(mongo_list(_doc->'$.movements'))->'$.user' as snapshot, mongo_ts(_doc->'$.updatedAt') as seen_at, _id from raw.lml_processes
  union all
  select unnest(mongo_list(_doc->'$.members')) as snapshot, mongo_ts(_doc->'$.updatedAt') as seen_at, _id from raw.lml_usersgroups
)
select
  user_ref(snapshot) as source_id,
  arg_max(mongo_text(snapshot->'$.username'), (seen_at, _id)) as username,
  arg_max(clean_email(mongo_text(snapshot->'$.email')), (seen_at, _id)) as email,
  arg_max(mongo_text(snapshot->'$.firstName'), (seen_at, _id)) as first_name,
  arg_max(mongo_text(snapshot->'$.lastName'), (seen_at, _id)) as last_name,
  min(seen_at) as first_at,
  max(seen_at) as last_at,
  list(distinct _id order by _id) as _ids,
from mention
where user_ref(snapshot) is not null
group by user_ref(snapshot)
