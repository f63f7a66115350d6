-- pacientes, from the old database: those of the hospital, and those of none that is known where this clinic takes them
select '' as key, cast(count(*) as varchar) as value
from raw.paciente as paciente
left join raw.hospital as hospital on trim(hospital.id) = trim(paciente.hospital_id)
cross join (
  select
    max(value) filter (name = 'hospital') as own,
    max(value) filter (name = 'without_hospital' and value in (select trim(codigo) from raw.hospital)) as astray,
  from meta.variable
) as chosen
where coalesce(trim(hospital.codigo), chosen.astray, chosen.own) = chosen.own
