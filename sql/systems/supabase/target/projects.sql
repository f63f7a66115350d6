-- one row a version of a file of an order
select
  projects.golden_id as id,
  coalesce(orders.golden_id, uuid_for('orders', migration.product, projects.order_source_id)) as order_id,
  projects.name,
  projects.kind,
  projects.status,
  projects.version,
  projects.storage_bucket,
  projects.storage_path,
  projects.file_size,
  migration_metadata(migration.product, projects.source_id, projects.extra) as metadata,
  coalesce(projects.created_at, migration.epoch) as created_at,
  coalesce(projects.updated_at, projects.created_at, migration.epoch) as updated_at,
  columns('^_(id|ids|repairs)$'),
from golden.projects as projects
cross join meta.clinic as migration
left join xref.orders as orders on orders.source_id = projects.order_source_id
