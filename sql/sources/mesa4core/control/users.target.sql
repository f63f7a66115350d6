-- users that a document of their own made (each has a role; those of snapshots have none), in the target: SQL of DuckDB and PostgreSQL alike
select '' as key, cast(count(*) as text) as value
from lml_users.main
where user_id in (select user_id from lml_users.user_roles)
