-- one patient
select id as source_id, age(nombre::date) as age, ago(1) as x, _id
from raw.pacientes using sample 2
