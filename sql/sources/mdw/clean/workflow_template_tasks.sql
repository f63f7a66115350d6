-- one row a task of a template: the old system kept them as a list in one cell
with
task as (
  select
    id as template_id,
    updated_at,
    unnest(from_json(tasks, '[{"order": "integer", "name": "varchar", "role": "varchar", "hours": "decimal(6,2)"}]')) as task,
    _id,
  from raw.dispatch_template
)
select
  task.template_id || ':' || task.task."order" as source_id,
  task.template_id as template_source_id,
  task.task."order" as position,
  trimmed(task.task.name) as name,
  role.target_value as role,
  task.task.hours as estimated_hours,
  cast(task.updated_at as timestamptz) as updated_at,
  task._id,
from task
left join map.task_role as role on role.source_value = task.task.role
