-- one patient
-- map: gender = raw.pacientes.sexo
-- map: status = raw
-- map: status = upper(random()) from raw.pacientes
select id as source_id, nombre as name, _id from raw.pacientes
