-- cells of pacientes that say something and could not be read: the patient gets what one without them gets
-- severity: warning
with cells as (
  select record._id, unnest([
    case when cleaned.sex is null and trimmed(record."Sexo") is not null then 'Sexo' end,
    case when cleaned.created_at is null and trimmed(record."Fecha alta") is not null and not is_sentinel_date(record."Fecha alta") then 'Fecha alta' end,
    case when cleaned.marketing_consent is null and trimmed(record."Acepta publicidad") is not null then 'Acepta publicidad' end
  ]) as column_name
  from raw.pacientes as record
  join clean.patient as cleaned on cleaned._ids[1] = record._id
)
from cells
where column_name is not null
