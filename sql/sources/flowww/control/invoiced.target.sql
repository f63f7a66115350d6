-- what was invoiced, in the target: SQL of DuckDB and PostgreSQL alike
select '' as key, cast(sum(total) as text) as value
from invoice
