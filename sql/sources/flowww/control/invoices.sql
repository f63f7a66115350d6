-- invoices and credit notes, from the export
select '' as key, cast(count(distinct "Serie" || "Número") as varchar) as value
from raw.facturas
