-- one row money received from or for a patient, negative where it was given back
select
  payment.golden_id as id,
  clinic.id as clinic_id,
  coalesce(patient.golden_id, ulid_for('patient', migration.product, payment.patient_source_id)) as patient_id,
  coalesce(invoice.golden_id, ulid_for('invoice', migration.product, payment.invoice_source_id)) as invoice_id,
  coalesce(budget.golden_id, ulid_for('budget', migration.product, payment.budget_source_id)) as budget_id,
  coalesce(payment.method, 'OTHER') as method,
  payment.paid_at,
  payment.amount,
  payment.reference,
  coalesce(payment.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, payment.source_id, payment.extra) as record_metadata,
  coalesce(payment.created_at, migration.epoch) as created_at,
  coalesce(payment.created_at, migration.epoch) as updated_at,
  payment.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.payment as payment
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.patient as patient on patient.source_id = payment.patient_source_id
left join xref.invoice as invoice on invoice.source_id = payment.invoice_source_id
left join xref.budget as budget on budget.source_id = payment.budget_source_id
