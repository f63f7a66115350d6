-- one row a room; its centre is the key of a site of clinic.toml
select
  trimmed("Código") as source_id,
  trimmed("Centro") as site_source_id,
  trimmed("Sala") as name,
  null::smallint as capacity,
  case parse_yes_no("Activa") when true then 'ACTIVE' when false then 'ARCHIVED' end as record_status,
  null::timestamptz as created_at,
  json_object('code', trimmed("Código")) as extra,
  _id,
from raw.salas
