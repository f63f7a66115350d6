-- one row a passage of an order from one state to the next: the audit trail
-- map: order_status = raw.dispatch_state.state
select
  state.id as source_id,
  state.instruction_id as order_source_id,
  before.target_value as from_status,
  after.target_value as to_status,
  state.user_id as profile_source_id,
  nullif(state.comment, '') as comment,
  django_instant(state.created_at) as changed_at,
  unread_texts(json_object('unreadable_from_state', unread_text(before.target_value, state.from_state))) as extra,
  state._id,
from raw.dispatch_state as state
left join map.order_status as before on before.source_value = state.from_state
left join map.order_status as after on after.source_value = state.state
