-- one row a project: the text that is searched by its meaning, and where it is enhanced the vector of it
with
subject as (
  select source_id as order_source_id, title, description from golden.orders
)
select
  uuid_for('project_embeddings', migration.product, projects.source_id) as id,
  projects.golden_id as project_id,
  concat_ws(E'\n', projects.name || ' (' || projects.kind || ')', subject.title, subject.description) as content,
  null::varchar as model,
  null::varchar as embedding,
  coalesce(projects.updated_at, projects.created_at, migration.epoch) as created_at,
  coalesce(projects.updated_at, projects.created_at, migration.epoch) as updated_at,
  columns('^_(id|ids|repairs)$'),
from golden.projects as projects
cross join meta.clinic as migration
left join subject on subject.order_source_id = projects.order_source_id
