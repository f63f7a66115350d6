-- appointments by year in UTC, from the export
select substr(start, 1, 4) as key, cast(count(*) as varchar) as value
from raw.encounters
group by 1
order by 1
