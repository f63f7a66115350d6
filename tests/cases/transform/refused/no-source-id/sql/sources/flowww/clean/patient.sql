-- one patient
select id, nombre as name, _id from raw.pacientes
