-- one row a line of a budget
-- The lines write 2025000100 where the budgets write 2025/000100.
with
typed as (
  select
    line.*,
    regexp_replace(trimmed("Presupuesto"), '^(\d{4})(\d{6})$', '\1/\2') as budget,
    parse_decimal("Cantidad") as quantity,
    parse_decimal("Precio") as unit_price,
    parse_decimal("Dto. %") as percent,
  from raw.presupuestos_lineas as line
)
select
  budget || '#' || trimmed("Línea") as source_id,
  budget as budget_source_id,
  trimmed("Código") as treatment_source_id,
  parse_integer("Línea") as position,
  trimmed("Descripción") as description,
  quantity,
  unit_price,
  try_cast(try(round(quantity * unit_price * percent / 100, 2)) as decimal(12,2)) as discount,
  parse_decimal("IVA %") as tax_rate,
  parse_decimal("Importe") as total,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object('discount_percent', case when percent is distinct from 0 then "Dto. %" end)) as extra,
  _id,
  case when budget <> "Presupuesto" then ['budget_number'] end as _repairs,
from typed
