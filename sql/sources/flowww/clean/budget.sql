-- one row a budget
-- map: budget_status = raw.presupuestos."Estado"
select
  trimmed(budget."Número") as source_id,
  ltrim(trimmed(budget."Nº Historia"), '0') as patient_source_id,
  trimmed(budget."Profesional") as professional_source_id,
  trimmed(budget."Número") as number,
  state.target_value as status,
  parse_date(budget."Fecha") as issued_on,
  parse_date(budget."Válido hasta") as valid_until,
  null::varchar as currency,
  null::decimal(12,2) as discount,
  parse_decimal(budget."Total") as total,
  budget."Observaciones" as notes,
  null::varchar as record_status,
  null::timestamptz as created_at,
  case
    when parse_date(budget."Válido hasta") is null and budget."Válido hasta" is not null
      then json_object('unreadable_valid_until', budget."Válido hasta")
  end as extra,
  budget._id,
from raw.presupuestos as budget
left join map.budget_status as state on state.source_value = budget."Estado"
