-- one row an invoice (factura)
-- map: invoice_status = raw.invoices.estado
select
  trimmed(invoice.id) as source_id,
  trimmed(invoice.id_cliente) as owner_source_id,
  trimmed(invoice.numero) as number,
  parse_date(invoice.fecha) as date,
  parse_date(invoice.fecha_vencimiento) as due_date,
  state.target_value as status,
  try_cast(parse_decimal(invoice.subtotal) as decimal(12, 2)) as subtotal,
  try_cast(parse_decimal(invoice.iva) as decimal(12, 2)) as tax,
  try_cast(parse_decimal(invoice.total) as decimal(12, 2)) as total,
  nullif(concat_ws(chr(10),
    trimmed(invoice.notas),
    kept_date('Vencimiento', parse_date(invoice.fecha_vencimiento), invoice.fecha_vencimiento)
  ), '') as notes,
  invoice._id,
  without_nulls([
    date_spelling('date_format', parse_date(invoice.fecha), invoice.fecha),
    date_repair('date_unreadable', parse_date(invoice.fecha_vencimiento), invoice.fecha_vencimiento)
  ]) as _repairs,
from raw.invoices as invoice
left join map.invoice_status as state on state.source_value = invoice.estado
