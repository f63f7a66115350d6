-- one patient
with numbered as (
  select *, row_number() over (partition by nombre) as place,
    sum(_id) over (rows 2 preceding) as running
  from raw.pacientes
), chosen as (
  select distinct on (nombre) id from raw.pacientes
), few as (
  select id from raw.pacientes limit 2
)
select min(id) as source_id,
  any_value(nombre) as name,
  string_agg(distinct nombre, ' ') filter (where place > 1) as names,
  array(select id from chosen) as chosen,
  json_group_array(running) as running,
  list(_id) as _ids
from numbered positional join few
group by nombre
