-- sum of the birth years, so that a shifted date shows, from the export
select '' as key, cast(sum(cast(substr(birthdate, 1, 4) as bigint)) as varchar) as value
from raw.patients
