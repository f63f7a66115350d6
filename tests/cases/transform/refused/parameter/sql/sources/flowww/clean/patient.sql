-- one patient
select id as source_id, $1 as x, _id from raw.pacientes
