-- one row a room; its centre is the key of a site of clinic.toml
select
  trimmed("Código") as source_id,
  trimmed("Centro") as site_source_id,
  trimmed("Sala") as name,
  null::smallint as capacity,
  case trimmed("Activa") when 'S' then 'ACTIVE' when 'N' then 'ARCHIVED' end as record_status,
  null::timestamptz as created_at,
  json_object('code', trimmed("Código")) as extra,
  _id,
from raw.salas
