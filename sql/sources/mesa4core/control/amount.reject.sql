-- what of that was rejected
select '' as key, cast(sum(try_cast(regexp_extract(amount, '^(?:\{"\$\w+": ?)?"?(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"?\}?$', 1) as decimal(18, 2))) as varchar) as value
from raw.lml_processes
where _id in (select unnest(_record_ids) from reject."lml_processes.main")
