-- what the price list adds up to, in pesos, from the export
select '' as key, cast(sum(control_amount(precio)) as varchar) as value
from raw.products
