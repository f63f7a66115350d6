-- what the price list adds up to, in pesos, from the export
select '' as key, cast(sum(cast(regexp_replace(regexp_replace(precio, ',\d\d$', ''), '\D', '', 'g') as bigint)) as varchar) || '.00' as value
from raw.products
