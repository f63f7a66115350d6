-- people by kind, with how many have no e-mail of their own
select
  case when is_staff then 'staff' else 'owner' end as kind,
  cast(count(*) as bigint) as people,
  cast(count(case when email like 'imported\_%@placeholder.local' escape '\' then 1 end) as bigint) as placeholders
from "user"
group by 1
order by 1
