-- one patient
select id as source_id, any_status() as status, _id from raw.pacientes
