-- one row a line of a budget
select
  budget_line.golden_id as id,
  clinic.id as clinic_id,
  coalesce(budget.golden_id, ulid_for('budget', migration.product, budget_line.budget_source_id)) as budget_id,
  coalesce(treatment.golden_id, ulid_for('treatment', migration.product, budget_line.treatment_source_id)) as treatment_id,
  budget_line.position,
  budget_line.description,
  coalesce(budget_line.quantity, 1) as quantity,
  budget_line.unit_price,
  coalesce(budget_line.discount, 0) as discount,
  coalesce(budget_line.tax_rate, 0) as tax_rate,
  budget_line.total,
  coalesce(budget_line.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, budget_line.source_id, budget_line.extra) as record_metadata,
  coalesce(budget_line.created_at, migration.epoch) as created_at,
  coalesce(budget_line.created_at, migration.epoch) as updated_at,
  budget_line.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.budget_line as budget_line
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.budget as budget on budget.source_id = budget_line.budget_source_id
left join xref.treatment as treatment on treatment.source_id = budget_line.treatment_source_id
