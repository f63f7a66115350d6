-- orders by the year in which they were opened, from the old system; one of which that cannot be read counts in the year of the clinic's epoch
select coalesce(nullif(regexp_extract(created_at, '^\d{4}'), ''), cast(year(clinic.epoch) as varchar)) as key, cast(count(*) as varchar) as value
from raw.dispatch_instruction
cross join meta.clinic as clinic
group by 1
order by 1
