-- one row a person
select
  patient.golden_id as id,
  patient.given_name,
  patient.surname1,
  patient.surname2,
  patient.birth_date,
  patient.sex,
  patient.national_id,
  patient.phone,
  patient.email,
  patient.address,
  patient.postcode,
  patient.city,
  patient.golden_id as _source_id,
  patient._ids,
from golden.patient as patient
