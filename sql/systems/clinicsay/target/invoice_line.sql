-- one row a line of an invoice
select
  invoice_line.golden_id as id,
  clinic.id as clinic_id,
  coalesce(invoice.golden_id, ulid_for('invoice', migration.product, invoice_line.invoice_source_id)) as invoice_id,
  coalesce(treatment.golden_id, ulid_for('treatment', migration.product, invoice_line.treatment_source_id)) as treatment_id,
  coalesce(professional.golden_id, ulid_for('professional', migration.product, invoice_line.professional_source_id)) as professional_id,
  invoice_line.position,
  invoice_line.description,
  coalesce(invoice_line.quantity, 1) as quantity,
  invoice_line.unit_price,
  coalesce(invoice_line.discount, 0) as discount,
  coalesce(invoice_line.tax_rate, 0) as tax_rate,
  invoice_line.total,
  coalesce(invoice_line.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, invoice_line.source_id, invoice_line.extra) as record_metadata,
  coalesce(invoice_line.created_at, migration.epoch) as created_at,
  coalesce(invoice_line.created_at, migration.epoch) as updated_at,
  invoice_line.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.invoice_line as invoice_line
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.invoice as invoice on invoice.source_id = invoice_line.invoice_source_id
left join xref.treatment as treatment on treatment.source_id = invoice_line.treatment_source_id
left join xref.professional as professional on professional.source_id = invoice_line.professional_source_id
