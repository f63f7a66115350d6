-- owners by how many animals they have, and how many of those are dead
with owned as (
  select owner_id, count(*) as pets, count(case when is_deceased then 1 end) as deceased from pet group by owner_id
)
select
  cast(coalesce(owned.pets, 0) as bigint) as pets,
  cast(count(*) as bigint) as owners,
  cast(coalesce(sum(owned.deceased), 0) as bigint) as deceased
from owner_profile
left join owned on owned.owner_id = owner_profile.id
group by 1
order by 1
