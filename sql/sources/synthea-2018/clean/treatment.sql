-- one row a code of the encounters, procedures and immunizations: the catalogue, which the export itself lacks
-- a code may be described in several ways; the first in alphabet names it, extra lists them all
with
source as (
  select 'encounter' as kind, code, description, _id from raw.encounters
  union all
  select 'procedure', code, description, _id from raw.procedures
  union all
  select 'immunization', code, description, _id from raw.immunizations
),
grouped as (
  select
    kind,
    code,
    min(description) as name,
    list(distinct description order by description) as names,
    -- SNOMED ends its terms with a tag: "Suture open wound (procedure)"
    coalesce(nullif(regexp_extract(
      min(description),
      '\((procedure|regime/therapy|environment|qualifier value|disorder|finding|physical object|situation)\)$',
      1
    ), ''), 'other') as tag,
    list(_id order by _id) as _ids,
  from source
  where code is not null
  group by kind, code
)
select
  kind || ':' || code as source_id,
  kind || ':' || tag as category_source_id,
  code as code,
  name as name,
  null::varchar as description,
  null::smallint as duration_minutes,
  null::decimal(12,2) as price,
  null::decimal(5,2) as tax_rate,
  null::varchar as record_status,
  null::timestamptz as created_at,
  case when len(names) > 1 then json_object('names', names) end as extra,
  _ids,
from grouped
