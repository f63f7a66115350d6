-- one row an order: an instruction of the old system
-- map: order_status = raw.dispatch_instruction.status
-- map: order_priority = raw.dispatch_instruction.priority
with
typed as (
  select
    instruction.*,
    parse_date(due_date) as due_on,
    try_cast(django_decimal(price, 2) as decimal(12, 2)) as amount,
    teeth_list(teeth) as tooth_list,
    django_instant(created_at) as opened_at,
    django_instant(updated_at) as changed_at,
  from raw.dispatch_instruction as instruction
)
select
  typed.id as source_id,
  typed.code,
  typed.patient_id as patient_source_id,
  typed.dentist_id as dentist_source_id,
  typed.template_id as template_source_id,
  trimmed(typed.title) as title,
  nullif(typed.description, '') as description,
  status.target_value as status,
  priority.target_value as priority,
  typed.due_on,
  typed.amount as price,
  typed.tooth_list as teeth,
  typed.opened_at as created_at,
  typed.changed_at as updated_at,
  unread_texts(json_object(
    'unreadable_due_date', unread_text(typed.due_on, typed.due_date),
    'unreadable_price', unread_text(typed.amount, typed.price),
    'unreadable_teeth', unread_text(typed.tooth_list, typed.teeth),
    'unreadable_created_at', unread_text(typed.opened_at, typed.created_at),
    'unreadable_updated_at', unread_text(typed.changed_at, typed.updated_at)
  )) as extra,
  typed._id,
from typed
left join map.order_status as status on status.source_value = typed.status
left join map.order_priority as priority on priority.source_value = typed.priority
