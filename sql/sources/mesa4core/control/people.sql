-- documents of the collection, from the export
select '' as key, cast(count(*) as varchar) as value
from raw.lml_people
