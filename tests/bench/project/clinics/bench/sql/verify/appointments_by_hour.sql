-- appointments by the clinic's hour and status
select cast(hour as text) as hour, cast(status as text) as status, appointments
from (
  select
    cast(extract(hour from starts_at at time zone 'Europe/Madrid') as bigint) as hour,
    status,
    count(*) as appointments
  from appointment
  group by 1, 2
) as counted
