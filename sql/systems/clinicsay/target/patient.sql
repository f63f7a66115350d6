-- one row a patient
with
site as (
  select id, _source_id as source_id from target.site
)
select
  patient.golden_id as id,
  clinic.id as clinic_id,
  coalesce(site.id, ulid_for('site', migration.product, patient.site_source_id)) as site_id,
  patient.chart_number,
  patient.first_name,
  patient.last_name,
  patient.second_last_name,
  patient.birth_date,
  patient.death_date,
  patient.sex,
  patient.national_id,
  patient.email,
  patient.phone,
  patient.second_phone,
  patient.address,
  patient.city,
  patient.province,
  patient.postal_code,
  patient.country,
  coalesce(patient.marketing_consent, false) as marketing_consent,
  patient.notes,
  coalesce(patient.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, patient.source_id, patient.extra) as record_metadata,
  coalesce(patient.created_at, migration.epoch) as created_at,
  coalesce(patient.created_at, migration.epoch) as updated_at,
  patient.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.patient as patient
cross join target.clinic as clinic
cross join meta.clinic as migration
left join site on site.source_id = patient.site_source_id
