-- orders by the year in which they were opened, in the target: SQL of DuckDB and PostgreSQL alike
select cast(cast(extract(year from created_at at time zone 'UTC') as bigint) as text) as key, cast(count(*) as text) as value
from orders
group by 1
order by 1
