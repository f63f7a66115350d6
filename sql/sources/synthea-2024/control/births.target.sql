-- sum of the birth years, so that a shifted date shows, in the target: SQL of DuckDB and PostgreSQL alike
select '' as key, cast(cast(sum(extract(year from birth_date)) as bigint) as text) as value
from patient
