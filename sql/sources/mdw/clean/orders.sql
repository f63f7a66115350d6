-- one row an order: an instruction of the old system
-- map: order_status = raw.dispatch_instruction.status
-- map: order_priority = raw.dispatch_instruction.priority
select
  instruction.id as source_id,
  instruction.code,
  instruction.patient_id as patient_source_id,
  instruction.dentist_id as dentist_source_id,
  instruction.template_id as template_source_id,
  trimmed(instruction.title) as title,
  nullif(instruction.description, '') as description,
  status.target_value as status,
  priority.target_value as priority,
  parse_date(instruction.due_date) as due_on,
  cast(instruction.price as decimal(12, 2)) as price,
  to_json(list_transform(
    list_filter(string_split(instruction.teeth, ','), lambda tooth: trimmed(tooth) is not null),
    lambda tooth: cast(trimmed(tooth) as integer)
  )) as teeth,
  cast(instruction.created_at as timestamptz) as created_at,
  cast(instruction.updated_at as timestamptz) as updated_at,
  instruction._id,
from raw.dispatch_instruction as instruction
left join map.order_status as status on status.source_value = instruction.status
left join map.order_priority as priority on priority.source_value = instruction.priority
