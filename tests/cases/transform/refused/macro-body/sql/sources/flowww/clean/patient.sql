-- one patient
select id as source_id, broken(nombre) as name, _id from raw.pacientes
