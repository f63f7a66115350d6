-- local times that come twice when summer time ends: the first is taken
-- severity: warning
with times as (
  select _id, date || ' 00:00' as written_at from raw.encounters
  union all
  select _id, date || ' 00:00' as written_at from raw.procedures
  union all
  select _id, date || ' 00:00' as written_at from raw.immunizations
  union all
  select _id, start || ' 00:00' as written_at from raw.conditions
  union all
  select _id, start || ' 00:00' as written_at from raw.allergies
)
select times._id, times.written_at
from times
cross join meta.clinic as clinic
where local_ts_issue(times.written_at, clinic.timezone) = 'overlap'
