-- one row a pass of several sessions of a treatment
-- map: pass_status = raw.bonos."Estado"
select
  trimmed(pass."Bono") as source_id,
  ltrim(trimmed(pass."Nº Historia"), '0') as patient_source_id,
  null::varchar as professional_source_id,
  trimmed(pass."Tratamiento") as treatment_source_id,
  concat_ws(': ', 'Bono de ' || trimmed(pass."Sesiones") || ' sesiones', treatment.name) as name,
  state.target_value as status,
  parse_date(pass."Fecha compra") as starts_on,
  parse_date(pass."Caduca") as ends_on,
  parse_integer(pass."Sesiones") as session_count,
  null::varchar as reason,
  null::varchar as notes,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'sessions_used', parse_integer(pass."Consumidas"),
    'price', regexp_replace(parse_decimal(pass."Precio")::varchar, '0{1,2}$', ''),
    'unreadable_sessions_used', case when parse_integer(pass."Consumidas") is null then pass."Consumidas" end,
    'unreadable_price', case when parse_decimal(pass."Precio") is null then pass."Precio" end,
    'unreadable_starts_on', case when parse_date(pass."Fecha compra") is null then pass."Fecha compra" end,
    'unreadable_ends_on', case when parse_date(pass."Caduca") is null then pass."Caduca" end
  )) as extra,
  pass._id,
from raw.bonos as pass
left join clean.treatment as treatment on treatment.source_id = trimmed(pass."Tratamiento")
left join map.pass_status as state on state.source_value = pass."Estado"
