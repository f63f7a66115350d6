-- patients by decade of birth and sex
select
  cast(cast(floor(extract(year from birth_date) / 10) * 10 as bigint) as text) as decade,
  cast(sex as text) as sex,
  cast(count(*) as bigint) as patients
from patient
group by 1, 2
order by 1, 2
