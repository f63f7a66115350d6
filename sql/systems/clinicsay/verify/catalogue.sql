-- treatments by service and category, and how often they were given
with given as (
  select treatment_id, count(*) as times from note where treatment_id is not null group by treatment_id
)
select
  service.name as service,
  category.name as category,
  cast(count(*) as bigint) as treatments,
  cast(coalesce(sum(given.times), 0) as bigint) as given
from treatment
join category on category.id = treatment.category_id
join service on service.id = category.service_id
left join given on given.treatment_id = treatment.id
group by 1, 2
order by 1, 2
