-- appointments by year of the clinic's zone, from the export
select substr(date, 1, 4) as key, cast(count(*) as varchar) as value
from raw.encounters
group by 1
order by 1
