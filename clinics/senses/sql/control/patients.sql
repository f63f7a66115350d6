-- people, from the export and what was found and decided about their charts
select '' as key, cast(count(distinct golden_id) as varchar) as value
from xref.patient
