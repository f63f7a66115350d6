-- one row a kind of row that this run takes, with the tenant it gets: those of the hospital that the variable `hospital` names, and here,
-- where `without_hospital` names the same one, those of which the database does not say whose they are (hospital 0)
-- a row that names a hospital which is not there (-1) gets no tenant, so that check rejects it in one place; without `without_hospital` in all
-- origin: none
with
chosen as (
  select
    (select value from meta.variable where name = 'hospital') as hospital,
    -- one that is not there is as none: nobody would take the rows
    (select max(tenant_id) from clean.hospital where tenant_id = (select value from meta.variable where name = 'without_hospital')) as without_hospital,
)
select 'own' as source_id, hospital.id as hospital_id, hospital.tenant_id
from clean.hospital as hospital
cross join chosen
where hospital.tenant_id = chosen.hospital
union all
select 'none', 0, chosen.without_hospital
from chosen
where coalesce(chosen.without_hospital, chosen.hospital) = chosen.hospital
union all
select 'unknown', -1, null
from chosen
where coalesce(chosen.without_hospital, chosen.hospital) = chosen.hospital
