-- appointments by year (UTC) and status, and how many patients they name
select
  cast(cast(extract(year from starts_at at time zone 'UTC') as bigint) as text) as year,
  cast(status as text) as status,
  cast(count(*) as bigint) as appointments,
  cast(count(distinct patient_id) as bigint) as patients
from appointment
group by 1, 2
order by 1, 2
