-- one row a kind of record and SNOMED tag of the catalogue
select
  treatment.category_source_id as source_id,
  split_part(treatment.category_source_id, ':', 1) as service_source_id,
  split_part(treatment.category_source_id, ':', 2) as name,
  null::varchar as record_status,
  null::timestamptz as created_at,
  null::json as extra,
  list_sort(flatten(list(treatment._ids order by treatment._ids))) as _ids,
from clean.treatment as treatment
group by treatment.category_source_id
