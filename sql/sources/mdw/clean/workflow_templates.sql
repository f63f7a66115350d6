-- one row a template of work
select
  id as source_id,
  trimmed(name) as name,
  trimmed(description) as description,
  parse_yes_no(is_active) as is_active,
  django_instant(updated_at) as updated_at,
  unread_texts(json_object(
    'unreadable_is_active', unread_text(parse_yes_no(is_active), is_active),
    'unreadable_tasks', unread_text(task_list(tasks), tasks),
    'unreadable_updated_at', unread_text(django_instant(updated_at), updated_at)
  )) as extra,
  _id,
from raw.dispatch_template
