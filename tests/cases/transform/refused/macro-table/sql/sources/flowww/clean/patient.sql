-- one patient
select id as source_id, lookup(nombre) as name, _id from raw.pacientes
