-- appointments by year (UTC) and status, and how many name whom
select
  cast(cast(extract(year from starts_at at time zone 'UTC') as bigint) as text) as year,
  cast(status as text) as status,
  cast(count(*) as bigint) as appointments,
  cast(count(distinct pet_id) as bigint) as pets,
  cast(count(vet_id) as bigint) as with_vet
from appointment
group by 1, 2
order by 1, 2
