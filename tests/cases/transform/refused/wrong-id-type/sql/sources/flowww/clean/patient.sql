-- one patient
select id as source_id, nombre as name, _id::varchar as _id from raw.pacientes
