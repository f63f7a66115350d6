-- procedures, immunizations, conditions and allergies, from the export
select 'PROCEDURE' as key, cast(count(*) as varchar) as value from raw.procedures
union all
select 'IMMUNIZATION', cast(count(*) as varchar) from raw.immunizations
union all
select 'DIAGNOSIS', cast(count(*) as varchar) from raw.conditions
union all
select 'ALLERGY', cast(count(*) as varchar) from raw.allergies
order by 1
