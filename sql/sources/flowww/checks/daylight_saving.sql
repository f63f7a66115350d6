-- local times that summer time leaves out (moved later by its length) or shows twice (the first is taken)
-- severity: warning
with times as (
  select _id, cast(parse_date("Fecha") + parse_time("Hora") as varchar) as written_at from raw.citas
  union all
  select _id, cast(parse_date("Fecha") + parse_time("Hora") as varchar) as written_at from raw.caja
  union all
  select _id, cast(parse_timestamp("Fecha") as varchar) as written_at from raw.cobros
  union all
  select _id, cast(parse_timestamp("Fecha") as varchar) as written_at from raw.notas
  union all
  select _id, cast(parse_timestamp("Fecha alta") as varchar) as written_at from raw.pacientes
)
select times._id, times.written_at, local_ts_issue(times.written_at, clinic.timezone) as issue
from times
cross join meta.clinic as clinic
where local_ts_issue(times.written_at, clinic.timezone) is not null
