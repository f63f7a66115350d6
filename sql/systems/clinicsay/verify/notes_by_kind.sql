-- notes by kind, their length, and how many belong to an appointment
select
  cast(kind as text) as kind,
  cast(count(*) as bigint) as notes,
  cast(count(appointment_id) as bigint) as with_appointment,
  cast(sum(length(body)) as bigint) as characters
from note
group by 1
order by 1
