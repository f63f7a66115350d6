-- one row a task of a template: the old system kept them as a list in one cell
with
task as (
  select
    id as template_id,
    updated_at,
    unnest(task_list(tasks)) as task,
    unnest(range(len(task_list(tasks)))) + 1 as place,
    _id,
  from raw.dispatch_template
),
typed as (
  select
    task.*,
    try_cast(django_integer(mongo_text(doc_at(task, 'order'))) as integer) as position,
    mongo_text(doc_at(task, 'role')) as role_code,
    mongo_text(doc_at(task, 'hours')) as hours,
    try_cast(django_decimal(mongo_text(doc_at(task, 'hours')), 2) as decimal(6, 2)) as estimated_hours,
  from task
)
select
  -- one without an order of its own is refused, and known by where it stands in the list
  typed.template_id || ':' || coalesce(cast(typed.position as varchar), '#' || typed.place) as source_id,
  typed.template_id as template_source_id,
  typed.position,
  trimmed(mongo_text(doc_at(typed.task, 'name'))) as name,
  role.target_value as role,
  typed.estimated_hours,
  django_instant(typed.updated_at) as updated_at,
  unread_texts(json_object('unreadable_hours', unread_text(typed.estimated_hours, typed.hours))) as extra,
  typed._id,
from typed
left join map.task_role as role on role.source_value = typed.role_code
