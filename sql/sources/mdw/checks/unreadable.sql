-- cells of the old database that say something else than their column should: the row goes in without them, and its metadata keeps what was
-- written; one that cannot do without them (a passage's time, a file's version, a task's order) is refused
-- severity: warning
select record._id, 'dispatch_instruction' as source_name, unnest(without_nulls([
  case when not is_sentinel_date(record.due_date) then unread_cell('due_date', cleaned.due_on, record.due_date) end,
  unread_cell('price', cleaned.price, record.price),
  unread_cell('teeth', cleaned.teeth, record.teeth),
  unread_cell('created_at', cleaned.created_at, record.created_at),
  unread_cell('updated_at', cleaned.updated_at, record.updated_at)
])) as column_name
from raw.dispatch_instruction as record
join clean.orders as cleaned on cleaned._id = record._id
union all
select record._id, 'dispatch_patient', unnest(without_nulls([
  case when not is_sentinel_date(record.birthdate) then unread_cell('birthdate', cleaned.birth_date, record.birthdate) end,
  unread_cell('sex', cleaned.sex, record.sex),
  unread_cell('updated_at', cleaned.updated_at, record.updated_at)
]))
from raw.dispatch_patient as record
join clean.patients as cleaned on cleaned._ids[1] = record._id
union all
select record._id, 'dispatch_project', unnest(without_nulls([
  unread_cell('version', cleaned.version, record.version),
  unread_cell('size', cleaned.file_size, record.size),
  unread_cell('meta', case when json_valid(record.meta) then record.meta end, record.meta),
  unread_cell('created_at', cleaned.created_at, record.created_at),
  unread_cell('updated_at', cleaned.updated_at, record.updated_at)
]))
from raw.dispatch_project as record
join clean.projects as cleaned on cleaned._id = record._id
union all
select record._id, 'dispatch_state', unnest(without_nulls([
  unread_cell('from_state', cleaned.from_status, record.from_state),
  unread_cell('created_at', cleaned.changed_at, record.created_at)
]))
from raw.dispatch_state as record
join clean.instruction_states as cleaned on cleaned._id = record._id
union all
select record._id, 'dispatch_template', unnest(without_nulls([
  unread_cell('is_active', cleaned.is_active, record.is_active),
  unread_cell('tasks', task_list(record.tasks), record.tasks),
  unread_cell('updated_at', cleaned.updated_at, record.updated_at)
]))
from raw.dispatch_template as record
join clean.workflow_templates as cleaned on cleaned._id = record._id
union all
-- a task whose order or hours say something else, by its template
select task._id, 'dispatch_template', 'tasks: hours'
from clean.workflow_template_tasks as task
where task.extra is not null
union all
-- an account is a patient's or a member of staff's, and nobody's where that cannot be read
select record._id, 'auth_user', unnest(without_nulls([
  unread_cell('email', clean_email(record.email), record.email),
  unread_cell('is_staff', parse_yes_no(record.is_staff), record.is_staff),
  unread_cell('is_active', parse_yes_no(record.is_active), record.is_active),
  unread_cell('date_joined', django_instant(record.date_joined), record.date_joined)
]))
from raw.auth_user as record
