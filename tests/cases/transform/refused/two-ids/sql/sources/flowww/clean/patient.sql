-- one patient
select id as source_id, list(_id order by _id) as _ids, max(_id) + 0 as _id from raw.pacientes group by id
