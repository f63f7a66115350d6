-- one row a passage of an order from one state to the next
select
  states.golden_id as id,
  coalesce(orders.golden_id, uuid_for('orders', migration.product, states.order_source_id)) as order_id,
  states.from_status,
  states.to_status,
  coalesce(profiles.golden_id, uuid_for('profiles', migration.product, states.profile_source_id)) as changed_by,
  states.comment,
  states.changed_at,
  migration_metadata(migration.product, states.source_id, states.extra) as metadata,
  columns('^_(id|ids|repairs)$'),
from golden.instruction_states as states
cross join meta.clinic as migration
left join xref.orders as orders on orders.source_id = states.order_source_id
left join xref.profiles as profiles on profiles.source_id = states.profile_source_id
