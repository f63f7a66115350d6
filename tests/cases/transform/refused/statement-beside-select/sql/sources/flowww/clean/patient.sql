-- one patient
select id as source_id, _id from raw.pacientes;

create table x as select 1;
