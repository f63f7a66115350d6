-- what was claimed, by year, from the export
select substr(billableperiod, 1, 4) as key, printf('%.2f', sum(cast(round(try_cast(total as double) * 100) as bigint)) / 100.0) as value
from raw.claims
group by 1
order by 1
