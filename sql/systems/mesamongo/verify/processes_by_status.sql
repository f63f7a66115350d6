-- processes by status: how many, their steps, what they amount to
with steps as (
  select process_id, count(*) as steps from lml_processes.movements group by process_id
)
select
  main.status,
  cast(count(*) as bigint) as processes,
  cast(sum(steps.steps) as bigint) as steps,
  cast(sum(main.amount) as text) as amount
from lml_processes.main as main
left join steps on steps.process_id = main.process_id
group by 1
order by 1
