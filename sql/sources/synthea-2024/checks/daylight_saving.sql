-- local times that summer time leaves out (moved later by its length) or shows twice (the first is taken)
-- severity: warning
with times as (
  select _id, start || ' 00:00' as written_at from raw.conditions
  union all
  select _id, start || ' 00:00' as written_at from raw.allergies
)
select times._id, times.written_at, local_ts_issue(times.written_at, clinic.timezone) as issue
from times
cross join meta.clinic as clinic
where local_ts_issue(times.written_at, clinic.timezone) is not null
