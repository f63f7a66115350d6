-- what was invoiced by year, added up in cents, from the export
select
  right("Fecha", 4) as key,
  printf('%d.%02d',
    sum(cast(replace(replace("Total", '.', ''), ',', '') as bigint))::bigint // 100,
    sum(cast(replace(replace("Total", '.', ''), ',', '') as bigint))::bigint % 100) as value,
from raw.facturas
group by 1
order by 1
