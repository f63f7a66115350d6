-- one patient
select id as source_id, now() as at, current_date as today, uuid() as id2, _id from raw.pacientes
