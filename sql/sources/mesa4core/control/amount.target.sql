-- what all processes amount to, in the target: SQL of DuckDB and PostgreSQL alike
select '' as key, cast(sum(amount) as text) as value
from lml_processes.main
