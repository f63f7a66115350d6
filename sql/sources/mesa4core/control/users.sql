-- documents of the collection, from the export; but for those of deleted users that say no more than a snapshot would
select '' as key, cast(count(*) as varchar) as value
from raw.lml_users
where (_doc->>'$.deleted') is distinct from 'true'
  or mongo_text(_doc->'$.dni') is not null
  or len(list_filter(mongo_list(_doc->'$.roles') || mongo_list(_doc->'$.areas'), lambda item: mongo_text(item->'$.id') is not null)) > 0
