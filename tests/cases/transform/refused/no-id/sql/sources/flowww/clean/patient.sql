-- one patient
select id as source_id, nombre as name from raw.pacientes
