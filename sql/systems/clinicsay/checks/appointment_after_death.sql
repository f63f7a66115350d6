-- appointments on a day after their patient's death; a death certificate or an autopsy may be among them
-- severity: warning
select appointment.id, appointment.patient_id
from target.appointment as appointment
join target.patient as patient on patient.id = appointment.patient_id
cross join meta.clinic as clinic
where cast(timezone(clinic.timezone, appointment.starts_at) as date) > patient.death_date
