-- what of that was rejected
select '' as key, cast(count(*) as varchar) as value
from raw.lml_processes
where _id in (select unnest(_record_ids) from reject."lml_processes.main")
