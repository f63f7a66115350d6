-- sum of the birth years, so that a shifted date shows, from the export
select '' as key, cast(sum(case when try_cast(birthdate as date) is not null then try_cast(substr(birthdate, 1, 4) as bigint) end) as varchar) as value
from raw.patients
