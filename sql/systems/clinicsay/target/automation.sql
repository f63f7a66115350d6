-- one row a message that goes out by itself
select
  automation.golden_id as id,
  clinic.id as clinic_id,
  automation.name,
  automation.channel,
  coalesce(automation.enabled, false) as enabled,
  automation.offset_minutes,
  automation.template,
  coalesce(automation.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, automation.source_id, automation.extra) as record_metadata,
  coalesce(automation.created_at, migration.epoch) as created_at,
  coalesce(automation.created_at, migration.epoch) as updated_at,
  automation.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.automation as automation
cross join target.clinic as clinic
cross join meta.clinic as migration
