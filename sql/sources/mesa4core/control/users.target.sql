-- users that a document of their own made, in the target: SQL of DuckDB and PostgreSQL alike; those of snapshots are deleted, and have no identity
-- document, no role and no area, and users of whom the collection itself says no more are left out on both sides
select '' as key, cast(count(*) as text) as value
from lml_users.main
where not deleted
  or dni is not null
  or user_id in (select user_id from lml_users.user_roles)
  or user_id in (select user_id from lml_users.user_areas)
