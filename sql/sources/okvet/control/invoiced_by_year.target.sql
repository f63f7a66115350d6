-- what was invoiced by year, in the target: SQL of DuckDB and PostgreSQL alike
select cast(cast(extract(year from date) as bigint) as text) as key, cast(sum(total) as text) as value
from invoice
group by 1
order by 1
