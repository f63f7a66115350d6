-- one row a template of work
select
  templates.golden_id as id,
  templates.name,
  templates.description,
  coalesce(templates.is_active, true) as is_active,
  migration_metadata(migration.product, templates.source_id, templates.extra) as metadata,
  coalesce(templates.updated_at, migration.epoch) as created_at,
  coalesce(templates.updated_at, migration.epoch) as updated_at,
  columns('^_(id|ids|repairs)$'),
from golden.workflow_templates as templates
cross join meta.clinic as migration
