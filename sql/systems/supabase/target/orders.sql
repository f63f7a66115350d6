-- one row an order
select
  orders.golden_id as id,
  orders.code,
  coalesce(patients.golden_id, uuid_for('patients', migration.product, orders.patient_source_id)) as patient_id,
  coalesce(profiles.golden_id, uuid_for('profiles', migration.product, orders.dentist_source_id)) as dentist_id,
  coalesce(templates.golden_id, uuid_for('workflow_templates', migration.product, orders.template_source_id)) as template_id,
  orders.title,
  orders.description,
  orders.status,
  coalesce(orders.priority, 'normal') as priority,
  orders.due_on,
  orders.price,
  coalesce(orders.teeth, '[]') as teeth,
  migration_metadata(migration.product, orders.source_id, orders.extra) as metadata,
  coalesce(orders.created_at, migration.epoch) as created_at,
  coalesce(orders.updated_at, orders.created_at, migration.epoch) as updated_at,
  columns('^_(id|ids|repairs)$'),
from golden.orders as orders
cross join meta.clinic as migration
left join xref.patients as patients on patients.source_id = orders.patient_source_id
left join xref.profiles as profiles on profiles.source_id = orders.dentist_source_id
left join xref.workflow_templates as templates on templates.source_id = orders.template_source_id
