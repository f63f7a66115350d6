-- one row a product or service of the price list (producto)
select
  trimmed(id) as source_id,
  trimmed(nombre) as name,
  trimmed(codigo) as sku,
  trimmed(categoria) as category,
  try_cast(parse_decimal(precio) as decimal(12, 2)) as price,
  try_cast(parse_decimal(costo) as decimal(12, 2)) as cost,
  try_cast(parse_decimal(existencias) as decimal(12, 2)) as stock_quantity,
  parse_yes_no(activo) as is_active,
  _id,
  without_nulls([
    unread_cell('cost_unreadable', try_cast(parse_decimal(costo) as decimal(12, 2)), costo),
    unread_cell('stock_unreadable', try_cast(parse_decimal(existencias) as decimal(12, 2)), existencias),
    unread_cell('active_unreadable', parse_yes_no(activo), activo)
  ]) as _repairs,
from raw.products
