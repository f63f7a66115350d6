-- patients, from the export
select '' as key, cast(count(distinct "Nº Historia") as varchar) as value
from raw.pacientes
