-- one row a stay of an order in a state, from one passage to the next
select
  uuid_for('state_analytics', migration.product, states.source_id) as id,
  coalesce(orders.golden_id, uuid_for('orders', migration.product, states.order_source_id)) as order_id,
  states.to_status as status,
  states.changed_at as entered_at,
  lead(states.changed_at) over (partition by states.order_source_id order by states.changed_at, states.source_id) as left_at,
  states._id,
from golden.instruction_states as states
cross join meta.clinic as migration
left join xref.orders as orders on orders.source_id = states.order_source_id
