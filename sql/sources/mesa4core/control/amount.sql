-- what all processes amount to, from the text of the documents
select '' as key, cast(sum(try_cast(regexp_extract(amount, '^(?:\{"\$\w+": ?)?"?(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"?\}?$', 1) as decimal(18, 2))) as varchar) as value
from raw.lml_processes
