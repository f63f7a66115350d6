-- movements with an amount in both columns: the one that went in is taken
-- severity: warning
select _id
from raw.caja
where parse_decimal_point("Importe Entrada") <> 0 and parse_decimal_point("Importe Salida") <> 0
