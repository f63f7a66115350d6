-- one row a till, or one session of it
with
site as (
  select id, _source_id as source_id from target.site
),
main_site as (
  select ulid_for('site', 'trasvase', key) as id from meta.site order by position limit 1
)
select
  cash_register.golden_id as id,
  clinic.id as clinic_id,
  coalesce(site.id, ulid_for('site', migration.product, cash_register.site_source_id), main_site.id) as site_id,
  cash_register.name,
  cash_register.opened_at,
  cash_register.closed_at,
  coalesce(cash_register.opening_amount, 0) as opening_amount,
  cash_register.closing_amount,
  coalesce(cash_register.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, cash_register.source_id, cash_register.extra) as record_metadata,
  coalesce(cash_register.created_at, migration.epoch) as created_at,
  coalesce(cash_register.created_at, migration.epoch) as updated_at,
  cash_register.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.cash_register as cash_register
cross join target.clinic as clinic
cross join meta.clinic as migration
left join site on site.source_id = cash_register.site_source_id
left join main_site on true
