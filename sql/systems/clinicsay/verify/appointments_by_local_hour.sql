-- appointments by the hour that the clinic's wall clock shows: a shifted time zone moves them all
with zoned as (
  select
    appointment.starts_at at time zone coalesce(site.timezone, clinic.timezone) as local_start
  from appointment
  join clinic on clinic.id = appointment.clinic_id
  left join site on site.id = appointment.site_id
)
select
  cast(cast(extract(hour from local_start) as bigint) as text) as local_hour,
  cast(count(*) as bigint) as appointments,
  cast(min(cast(local_start as date)) as text) as first_day,
  cast(max(cast(local_start as date)) as text) as last_day
from zoned
group by 1
order by 1
