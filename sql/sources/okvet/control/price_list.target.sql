-- what the price list adds up to, in the target: SQL of DuckDB and PostgreSQL alike
select '' as key, cast(sum(price) as text) as value
from product
