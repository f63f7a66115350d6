-- one row a treatment of the price list; prices are without tax
select
  trimmed("Código") as source_id,
  trimmed("Familia") || ' / ' || trimmed("Subfamilia") as category_source_id,
  trimmed("Código") as code,
  trimmed("Tratamiento") as name,
  null::varchar as description,
  try_cast(trimmed("Duración (min)") as smallint) as duration_minutes,
  try_cast(parse_decimal("Precio") as decimal(12,2)) as price,
  try_cast(parse_decimal("IVA") as decimal(5,2)) as tax_rate,
  case trimmed("Activo") when 'S' then 'ACTIVE' when 'N' then 'ARCHIVED' end as record_status,
  null::timestamptz as created_at,
  null::json as extra,
  _id,
from raw.tratamientos
