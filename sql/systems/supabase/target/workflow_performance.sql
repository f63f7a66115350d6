-- one row a template: how many orders followed it, and how long those that were shipped took
with
shipped as (
  select order_source_id, max(changed_at) as shipped_at
  from golden.instruction_states
  where to_status = 'shipped'
  group by order_source_id
),
followed as (
  select
    orders.template_source_id as template_source_id,
    epoch(shipped.shipped_at)::bigint - epoch(orders.created_at)::bigint as seconds,
    orders.updated_at,
    orders._id,
  from golden.orders as orders
  left join shipped on shipped.order_source_id = orders.source_id
  where orders.template_source_id is not null
)
select
  uuid_for('workflow_performance', migration.product, followed.template_source_id) as id,
  coalesce(templates.golden_id, uuid_for('workflow_templates', migration.product, followed.template_source_id)) as template_id,
  count(*)::integer as orders,
  count(followed.seconds)::integer as shipped,
  round(sum(followed.seconds) / count(followed.seconds) / 3600, 2)::decimal(12, 2) as average_hours,
  migration_metadata(migration.product, followed.template_source_id, null) as metadata,
  coalesce(max(followed.updated_at), migration.epoch) as updated_at,
  list(followed._id order by followed._id) as _ids,
from followed
cross join meta.clinic as migration
left join xref.workflow_templates as templates on templates.source_id = followed.template_source_id
group by followed.template_source_id, templates.golden_id, migration.product, migration.epoch
