-- appointments by the clinic's hour and status
select
  cast(cast(extract(hour from starts_at at time zone 'Europe/Madrid') as bigint) as text) as hour,
  cast(status as text) as status,
  cast(count(*) as bigint) as appointments
from appointment
group by 1, 2
order by 1, 2
