-- rows of the collection, in the target: SQL of DuckDB and PostgreSQL alike
select '' as key, cast(count(*) as text) as value
from lml_people.main
