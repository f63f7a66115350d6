-- one row a weekly stretch in which a professional works
with
site as (
  select id, _source_id as source_id from target.site
)
select
  availability.golden_id as id,
  clinic.id as clinic_id,
  coalesce(professional.golden_id, ulid_for('professional', migration.product, availability.professional_source_id)) as professional_id,
  coalesce(site.id, ulid_for('site', migration.product, availability.site_source_id)) as site_id,
  coalesce(room.golden_id, ulid_for('room', migration.product, availability.room_source_id)) as room_id,
  availability.weekday,
  availability.starts_at,
  availability.ends_at,
  availability.valid_from,
  availability.valid_until,
  coalesce(availability.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, availability.source_id, availability.extra) as record_metadata,
  coalesce(availability.created_at, migration.epoch) as created_at,
  coalesce(availability.created_at, migration.epoch) as updated_at,
  availability.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.availability as availability
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.professional as professional on professional.source_id = availability.professional_source_id
left join site on site.source_id = availability.site_source_id
left join xref.room as room on room.source_id = availability.room_source_id
