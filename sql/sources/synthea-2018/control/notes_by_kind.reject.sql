-- what of that was rejected
with rejected as (
  select unnest(_record_ids) as _id from reject.note
)
select 'PROCEDURE' as key, cast(count(distinct (date, encounter, code)) as varchar) as value from raw.procedures where _id in (select _id from rejected)
union all
select 'IMMUNIZATION', cast(count(*) as varchar) from raw.immunizations where _id in (select _id from rejected)
union all
select 'DIAGNOSIS', cast(count(*) as varchar) from raw.conditions where _id in (select _id from rejected)
union all
select 'ALLERGY', cast(count(*) as varchar) from raw.allergies where _id in (select _id from rejected)
order by 1
