-- one row a treatment of the price list; prices are without tax
select
  trimmed("Código") as source_id,
  trimmed("Familia") || ' / ' || trimmed("Subfamilia") as category_source_id,
  trimmed("Código") as code,
  trimmed("Tratamiento") as name,
  null::varchar as description,
  parse_minutes("Duración (min)") as duration_minutes,
  parse_decimal("Precio") as price,
  parse_decimal("IVA") as tax_rate,
  case parse_yes_no("Activo") when true then 'ACTIVE' when false then 'ARCHIVED' end as record_status,
  null::timestamptz as created_at,
  null::json as extra,
  _id,
from raw.tratamientos
