-- one patient
select id as source_id, years(null::date) as age, _id from raw.pacientes
