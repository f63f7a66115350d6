-- pacientes, from the old database; those of another hospital are not counted
select '' as key, cast(count(*) as varchar) as value
from raw.paciente
where hospital_id is null or hospital_id in (select id from raw.hospital where codigo = 'hospital-puerto-montt')
