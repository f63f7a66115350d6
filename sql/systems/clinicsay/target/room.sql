-- one row a room, chair or cabin of a site
with
site as (
  select id, _source_id as source_id from target.site
),
main_site as (
  select ulid_for('site', 'trasvase', key) as id from meta.site order by position limit 1
)
select
  room.golden_id as id,
  clinic.id as clinic_id,
  coalesce(site.id, ulid_for('site', migration.product, room.site_source_id), main_site.id) as site_id,
  room.name,
  coalesce(room.capacity, 1) as capacity,
  coalesce(room.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, room.source_id, room.extra) as record_metadata,
  coalesce(room.created_at, migration.epoch) as created_at,
  coalesce(room.created_at, migration.epoch) as updated_at,
  room.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.room as room
cross join target.clinic as clinic
cross join meta.clinic as migration
left join site on site.source_id = room.site_source_id
left join main_site on true
