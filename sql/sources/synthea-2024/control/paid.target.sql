-- what the payers covered, added up in cents, in the target: SQL of DuckDB and PostgreSQL alike
select '' as key, cast(sum(amount) as text) as value
from payment
