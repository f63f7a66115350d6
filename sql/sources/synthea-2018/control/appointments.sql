-- appointments, from the export
select '' as key, cast(count(distinct id) as varchar) as value
from raw.encounters
