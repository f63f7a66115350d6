-- what of that was rejected
select coalesce(nullif(regexp_extract(created_at, '^\d{4}'), ''), cast(year(clinic.epoch) as varchar)) as key, cast(count(*) as varchar) as value
from raw.dispatch_instruction
cross join meta.clinic as clinic
where _id in (select unnest(_record_ids) from reject.orders)
group by 1
order by 1
