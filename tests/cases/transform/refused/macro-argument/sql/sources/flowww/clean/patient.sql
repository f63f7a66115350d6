-- one patient
select id as source_id,
  age_at(nombre, date '2024-01-01') as age,
  _id,
from raw.pacientes
