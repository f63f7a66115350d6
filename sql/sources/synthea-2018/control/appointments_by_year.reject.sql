-- what of that was rejected
select substr(date, 1, 4) as key, cast(count(*) as varchar) as value
from raw.encounters
where _id in (select unnest(_record_ids) from reject.appointment)
group by 1
order by 1
