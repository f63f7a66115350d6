-- one row an invoice
select
  invoice.golden_id as id,
  clinic.id as clinic_id,
  coalesce(patient.golden_id, ulid_for('patient', migration.product, invoice.patient_source_id)) as patient_id,
  coalesce(appointment.golden_id, ulid_for('appointment', migration.product, invoice.appointment_source_id)) as appointment_id,
  coalesce(budget.golden_id, ulid_for('budget', migration.product, invoice.budget_source_id)) as budget_id,
  coalesce(rectified.golden_id, ulid_for('invoice', migration.product, invoice.rectifies_source_id)) as rectifies_id,
  invoice.series,
  invoice.number,
  coalesce(invoice.status, 'ISSUED') as status,
  invoice.issued_on,
  invoice.due_on,
  coalesce(invoice.currency, migration.currency) as currency,
  invoice.subtotal,
  invoice.tax,
  invoice.total,
  invoice.notes,
  coalesce(invoice.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, invoice.source_id, invoice.extra) as record_metadata,
  coalesce(invoice.created_at, migration.epoch) as created_at,
  coalesce(invoice.created_at, migration.epoch) as updated_at,
  invoice.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.invoice as invoice
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.patient as patient on patient.source_id = invoice.patient_source_id
left join xref.appointment as appointment on appointment.source_id = invoice.appointment_source_id
left join xref.budget as budget on budget.source_id = invoice.budget_source_id
left join xref.invoice as rectified on rectified.source_id = invoice.rectifies_source_id
