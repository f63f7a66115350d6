-- one row a version of a file of an order: scan, model, STL, document
-- map: project_kind = raw.dispatch_project.kind
-- map: project_status = raw.dispatch_project.status
select
  project.id as source_id,
  project.instruction_id as order_source_id,
  trimmed(project.name) as name,
  kind.target_value as kind,
  status.target_value as status,
  cast(project.version as integer) as version,
  'projects' as storage_bucket,
  -- files are uploaded below legacy/ as they lay below the old server's media folder
  regexp_replace(project.file, '^/srv/mdw/media/projects/', 'legacy/') as storage_path,
  cast(project.size as bigint) as file_size,
  json_object('legacy_path', project.file, 'meta', cast(project.meta as json)) as extra,
  cast(project.created_at as timestamptz) as created_at,
  cast(project.updated_at as timestamptz) as updated_at,
  project._id,
from raw.dispatch_project as project
left join map.project_kind as kind on kind.source_value = project.kind
left join map.project_status as status on status.source_value = project.status
