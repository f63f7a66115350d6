-- the sum of all prices, from the old system
select '' as key, cast(sum(try_cast(price as decimal(12, 2))) as varchar) as value
from raw.dispatch_instruction
