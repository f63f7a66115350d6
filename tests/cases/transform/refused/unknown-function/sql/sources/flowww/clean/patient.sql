-- one patient
select id as source_id, shoutt(nombre) as name, _id from raw.pacientes
