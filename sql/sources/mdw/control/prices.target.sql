-- the sum of all prices, in the target: SQL of DuckDB and PostgreSQL alike
select '' as key, cast(sum(price) as text) as value
from orders
