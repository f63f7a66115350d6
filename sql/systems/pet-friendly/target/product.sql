-- one row a product or service of the price list
select
  new_key('product', product.source_id) as id,
  product.name,
  product.sku,
  coalesce(product.category, '') as category,
  product.price,
  product.cost,
  coalesce(product.stock_quantity, 0) as stock_quantity,
  coalesce(product.is_active, true) as is_active,
  product.source_id as external_id,
  migration.epoch as created_at,
  product.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.product as product
cross join meta.clinic as migration
