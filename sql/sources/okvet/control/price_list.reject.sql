-- what of that is on products that were rejected, by the same figures
select '' as key, cast(sum(control_amount(precio)) as varchar) as value
from raw.products
where _id in (select _id from reject.product)
