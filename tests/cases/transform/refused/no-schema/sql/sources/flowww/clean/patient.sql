-- one patient
with source as (select * from raw.pacientes)
select id as source_id, _id from sorce union all select id, _id from pacientes
