-- one row an invoice
select
  trimmed("Serie") || '-' || trimmed("Número") as source_id,
  ltrim(trimmed("Nº Historia"), '0') as patient_source_id,
  trimmed("Serie") as series,
  trimmed("Número") as number,
  upper(trimmed("Estado")) as status,
  parse_date("Fecha") as issued_on,
  cast(parse_decimal("Base") as decimal(12,2)) as subtotal,
  cast(parse_decimal("IVA") as decimal(12,2)) as tax,
  cast(parse_decimal("Total") as decimal(12,2)) as total,
  _id,
from raw.facturas
