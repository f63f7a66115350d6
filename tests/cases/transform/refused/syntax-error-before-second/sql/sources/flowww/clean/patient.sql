-- one patient
select id as source_id,, _id from raw.pacientes;
select 2;
