-- procedures, immunizations, conditions and allergies, exact duplicates once, in the target: SQL of DuckDB and PostgreSQL alike
select cast(kind as text) as key, cast(count(*) as text) as value
from note
group by 1
order by 1
