-- one row a kind of record that the catalogue was made of: encounter, procedure, immunization
-- map: service = clean.category.service_source_id
select
  category.service_source_id as source_id,
  coalesce(service.target_value, category.service_source_id) as name,
  null::varchar as description,
  null::varchar as record_status,
  null::timestamptz as created_at,
  null::json as extra,
  list_sort(flatten(list(category._ids order by category._ids))) as _ids,
from clean.category as category
left join map.service as service on service.source_value = category.service_source_id
group by category.service_source_id, service.target_value
