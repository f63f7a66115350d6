-- one row a thing to be done
select
  task.golden_id as id,
  clinic.id as clinic_id,
  coalesce(patient.golden_id, ulid_for('patient', migration.product, task.patient_source_id)) as patient_id,
  coalesce(professional.golden_id, ulid_for('professional', migration.product, task.professional_source_id)) as professional_id,
  author.id as author_id,
  task.title,
  task.description,
  coalesce(task.status, 'OPEN') as status,
  coalesce(task.priority, 3) as priority,
  task.due_at,
  task.completed_at,
  coalesce(task.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, task.source_id, task.extra) as record_metadata,
  coalesce(task.created_at, migration.epoch) as created_at,
  coalesce(task.created_at, migration.epoch) as updated_at,
  task.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.task as task
cross join target.clinic as clinic
cross join meta.clinic as migration
cross join target.app_user as author
left join xref.patient as patient on patient.source_id = task.patient_source_id
left join xref.professional as professional on professional.source_id = task.professional_source_id
