-- one patient
with a as (select id, nombre, _id from raw.pacientes union all select id, nombre, _id from raw.pacientes)
select id as source_id, nombre as name, _id from a
union all
select id, nombre, _id from a -- union
union
select id, _id from a
