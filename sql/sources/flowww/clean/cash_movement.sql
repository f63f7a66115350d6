-- one row money that went into or out of a till
-- The workbook has a column for each direction; most days are dates, some are text.
with
typed as (
  select
    movement.*,
    -- an export may write 0 in the column of the other direction
    nullif(parse_decimal_point("Importe Entrada"), 0) as taken_in,
    nullif(parse_decimal_point("Importe Salida"), 0) as paid_out,
    cast(parse_date("Fecha") + parse_time("Hora") as varchar) as written_at,
    clinic.timezone,
  from raw.caja as movement
  cross join meta.clinic as clinic
)
select
  trimmed("Nº") as source_id,
  trimmed("Caja") as cash_register_source_id,
  null::varchar as payment_source_id,
  case when taken_in is not null then 'IN' when paid_out is not null then 'OUT' end as direction,
  coalesce(taken_in, paid_out) as amount,
  local_ts(written_at, timezone) as moved_at,
  trimmed("Concepto") as concept,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object('terminal_code', "Cód. TPV", 'user', "Usuario")) as extra,
  _id,
  case local_ts_issue(written_at, timezone) when 'gap' then ['daylight_saving_gap'] end as _repairs,
from typed
