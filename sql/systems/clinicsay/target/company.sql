-- the company that invoices: one row, from clinic.toml
-- origin: none
select
  ulid_for('company', 'trasvase', migration.name) as id,
  organization.id as organization_id,
  coalesce((select value from meta.variable where name = 'company_name'), organization.name) as name,
  (select value from meta.variable where name = 'company_tax_id') as tax_id,
  migration.country,
  'ACTIVE' as record_status,
  json_object('source', 'migration', 'product', migration.product, 'source_id', migration.name) as record_metadata,
  migration.epoch as created_at,
  migration.epoch as updated_at,
from meta.clinic as migration
cross join target.organization as organization
