-- one row an invoice
select
  invoice.golden_id as id,
  clinic.id as clinic_id,
  coalesce(patient.golden_id, ulid_for('patient', migration.product, invoice.patient_source_id)) as patient_id,
  invoice.series,
  invoice.number,
  invoice.status,
  invoice.issued_on,
  invoice.subtotal,
  invoice.tax,
  invoice.total,
  migration.epoch as created_at,
  invoice.source_id as _source_id,
  invoice._id,
from golden.invoice as invoice
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.patient as patient on patient.source_id = invoice.patient_source_id
