-- one patient
select id as source_id, nombre as name, _id from raw.pacientes
union all
select id, _id from raw.pacientes
