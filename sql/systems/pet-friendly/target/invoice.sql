-- one row an invoice
select
  new_key('invoice', invoice.source_id) as id,
  new_key('owner_profile', coalesce(owner.golden_id, invoice.owner_source_id)) as owner_id,
  invoice.number,
  invoice.date,
  invoice.due_date,
  invoice.status,
  migration.currency,
  invoice.subtotal,
  invoice.tax,
  invoice.total,
  coalesce(invoice.notes, '') as notes,
  invoice.source_id as external_id,
  migration.epoch as created_at,
  invoice.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.invoice as invoice
cross join meta.clinic as migration
left join xref.owner as owner on owner.source_id = invoice.owner_source_id
