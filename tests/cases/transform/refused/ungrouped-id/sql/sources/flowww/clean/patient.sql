-- one patient
select id as source_id, min(_id) as _id from raw.pacientes group by id
