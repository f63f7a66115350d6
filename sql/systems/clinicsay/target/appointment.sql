-- one row an appointment or visit
with
site as (
  select id, _source_id as source_id from target.site
),
main_site as (
  select ulid_for('site', 'trasvase', key) as id from meta.site order by position limit 1
)
select
  appointment.golden_id as id,
  clinic.id as clinic_id,
  coalesce(site.id, ulid_for('site', migration.product, appointment.site_source_id), main_site.id) as site_id,
  coalesce(room.golden_id, ulid_for('room', migration.product, appointment.room_source_id)) as room_id,
  coalesce(patient.golden_id, ulid_for('patient', migration.product, appointment.patient_source_id)) as patient_id,
  coalesce(professional.golden_id, ulid_for('professional', migration.product, appointment.professional_source_id)) as professional_id,
  coalesce(treatment.golden_id, ulid_for('treatment', migration.product, appointment.treatment_source_id)) as treatment_id,
  coalesce(care_plan.golden_id, ulid_for('care_plan', migration.product, appointment.care_plan_source_id)) as care_plan_id,
  coalesce(appointment.status, 'SCHEDULED') as status,
  appointment.starts_at,
  appointment.ends_at,
  appointment.reason,
  appointment.notes,
  coalesce(appointment.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, appointment.source_id, appointment.extra) as record_metadata,
  coalesce(appointment.created_at, migration.epoch) as created_at,
  coalesce(appointment.created_at, migration.epoch) as updated_at,
  appointment.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.appointment as appointment
cross join target.clinic as clinic
cross join meta.clinic as migration
left join site on site.source_id = appointment.site_source_id
left join main_site on true
left join xref.room as room on room.source_id = appointment.room_source_id
left join xref.patient as patient on patient.source_id = appointment.patient_source_id
left join xref.professional as professional on professional.source_id = appointment.professional_source_id
left join xref.treatment as treatment on treatment.source_id = appointment.treatment_source_id
left join xref.care_plan as care_plan on care_plan.source_id = appointment.care_plan_source_id
