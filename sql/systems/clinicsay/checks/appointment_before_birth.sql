-- appointments on a day before their patient's birth
-- severity: critical
select appointment.id, appointment.patient_id
from target.appointment as appointment
join target.patient as patient on patient.id = appointment.patient_id
cross join meta.clinic as clinic
where cast(timezone(clinic.timezone, appointment.starts_at) as date) < patient.birth_date
