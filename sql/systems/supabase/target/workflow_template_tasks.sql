-- one row a task of a template, in its order
select
  tasks.golden_id as id,
  coalesce(templates.golden_id, uuid_for('workflow_templates', migration.product, tasks.template_source_id)) as template_id,
  tasks.position,
  tasks.name,
  tasks.role,
  tasks.estimated_hours,
  migration_metadata(migration.product, tasks.source_id, tasks.extra) as metadata,
  coalesce(tasks.updated_at, migration.epoch) as created_at,
  coalesce(tasks.updated_at, migration.epoch) as updated_at,
  columns('^_(id|ids|repairs)$'),
from golden.workflow_template_tasks as tasks
cross join meta.clinic as migration
left join xref.workflow_templates as templates on templates.source_id = tasks.template_source_id
