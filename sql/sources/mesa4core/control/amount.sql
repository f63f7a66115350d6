-- what all processes amount to, from the text of the documents
select '' as key, cast(sum(cast(regexp_extract(amount, '(-?\d+\.\d+)', 1) as decimal(18, 2))) as varchar) as value
from raw.lml_processes
