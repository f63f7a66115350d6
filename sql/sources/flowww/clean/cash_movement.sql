-- one row money that went into or out of a till
-- The workbook has a column for each direction; most days are dates, some are text.
with
typed as (
  select
    movement.*,
    parse_decimal_point("Importe Entrada") as taken_in,
    parse_decimal_point("Importe Salida") as paid_out,
  from raw.caja as movement
)
select
  trimmed("Nº") as source_id,
  trimmed("Caja") as cash_register_source_id,
  null::varchar as payment_source_id,
  case when taken_in is not null then 'IN' when paid_out is not null then 'OUT' end as direction,
  cast(coalesce(taken_in, paid_out) as decimal(12,2)) as amount,
  local_ts(cast(parse_date("Fecha") + parse_time("Hora") as varchar), clinic.timezone) as moved_at,
  trimmed("Concepto") as concept,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object('terminal_code', "Cód. TPV", 'user', "Usuario")) as extra,
  _id,
from typed
cross join meta.clinic as clinic
