-- one row a version of a file of an order: scan, model, STL, document
-- map: project_kind = raw.dispatch_project.kind
-- map: project_status = raw.dispatch_project.status
with
typed as (
  select
    project.*,
    try_cast(django_integer(version) as integer) as number,
    django_integer(size) as bytes,
    case when json_valid(meta) then cast(meta as json) end as description,
    django_instant(created_at) as since,
    django_instant(updated_at) as changed_at,
  from raw.dispatch_project as project
)
select
  typed.id as source_id,
  typed.instruction_id as order_source_id,
  trimmed(typed.name) as name,
  kind.target_value as kind,
  status.target_value as status,
  typed.number as version,
  'projects' as storage_bucket,
  -- files are uploaded below legacy/ as they lay below the old server's media folder
  regexp_replace(typed.file, '^/srv/mdw/media/projects/', 'legacy/') as storage_path,
  typed.bytes as file_size,
  unread_beside(json_object('legacy_path', typed.file, 'meta', typed.description), unread_texts(json_object(
    'unreadable_size', unread_text(typed.bytes, typed.size),
    'unreadable_meta', unread_text(typed.description, typed.meta),
    'unreadable_created_at', unread_text(typed.since, typed.created_at),
    'unreadable_updated_at', unread_text(typed.changed_at, typed.updated_at)
  ))) as extra,
  typed.since as created_at,
  typed.changed_at as updated_at,
  typed._id,
from typed
left join map.project_kind as kind on kind.source_value = typed.kind
left join map.project_status as status on status.source_value = typed.status
