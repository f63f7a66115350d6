-- one appointment
select id as source_id, paciente as patient_source_id, estdo as status, _id from raw.citas
