-- one row a place where the clinic works: those of clinic.toml, and what the product adds
-- a site of clinic.toml has no raw row behind it (_id is null); where the product gives the same key, the product's row stands
with
configured as (
  select
    ulid_for('site', 'trasvase', site.key) as id,
    site.key as source_id,
    site.name,
    site.timezone,
  from meta.site as site
  anti join golden.site as supplied on supplied.source_id = site.key
),
supplied as (
  select site.golden_id as id, site.* exclude (golden_id) from golden.site as site
),
final as (
  from configured union all by name from supplied
)
select
  site.id,
  clinic.id as clinic_id,
  site.name,
  coalesce(site.timezone, migration.timezone) as timezone,
  site.phone,
  site.address,
  site.city,
  site.province,
  site.postal_code,
  coalesce(site.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, site.source_id, site.extra) as record_metadata,
  coalesce(site.created_at, migration.epoch) as created_at,
  coalesce(site.created_at, migration.epoch) as updated_at,
  site.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from final as site
cross join target.clinic as clinic
cross join meta.clinic as migration
