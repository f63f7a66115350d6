-- one patient
-- origin: nowhere
select id as source_id, _id from raw.pacientes
