-- orders that are in another state than the last one that they passed into
-- severity: warning
select orders.id
from target.orders as orders
join (
  select order_id, arg_max(to_status, changed_at) as status from target.instruction_states group by order_id
) as last on last.order_id = orders.id
where last.status <> orders.status
