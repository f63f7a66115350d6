-- one row a person who treats patients
with
site as (
  select id, _source_id as source_id from target.site
)
select
  professional.golden_id as id,
  clinic.id as clinic_id,
  null::varchar as user_id,
  coalesce(site.id, ulid_for('site', migration.product, professional.site_source_id)) as site_id,
  professional.first_name,
  professional.last_name,
  professional.sex,
  professional.specialty,
  professional.license_number,
  professional.email,
  professional.phone,
  professional.color,
  coalesce(professional.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, professional.source_id, professional.extra) as record_metadata,
  coalesce(professional.created_at, migration.epoch) as created_at,
  coalesce(professional.created_at, migration.epoch) as updated_at,
  professional.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.professional as professional
cross join target.clinic as clinic
cross join meta.clinic as migration
left join site on site.source_id = professional.site_source_id
