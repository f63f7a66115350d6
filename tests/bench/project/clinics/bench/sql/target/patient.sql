-- one row a patient
select
  patient.golden_id as id,
  clinic.id as clinic_id,
  patient.source_id as chart_number,
  patient.first_name,
  patient.last_name,
  patient.birth_date,
  patient.sex,
  patient.national_id,
  patient.email,
  patient.phone,
  patient.address,
  patient.postal_code,
  patient.city,
  coalesce(patient.marketing_consent, false) as marketing_consent,
  coalesce(cast(patient.registered_on as timestamptz), migration.epoch) as created_at,
  patient.source_id as _source_id,
  patient._id,
from golden.patient as patient
cross join target.clinic as clinic
cross join meta.clinic as migration
