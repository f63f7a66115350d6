-- appointments by year in UTC, in the target: SQL of DuckDB and PostgreSQL alike
select
  cast(cast(extract(year from starts_at at time zone 'UTC') as bigint) as text) as key,
  cast(count(*) as text) as value
from appointment
group by 1
order by 1
