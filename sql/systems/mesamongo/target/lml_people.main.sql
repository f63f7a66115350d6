-- one row a natural or legal person
select
  source_id as person_id,
  kind,
  first_name,
  last_name,
  legal_name,
  document_type,
  document_number,
  tax_id,
  email,
  phone,
  birth_date,
  created_by_user_id,
  updated_by_user_id,
  created_at,
  updated_at,
  columns('^_(id|ids|repairs)$'),
from clean.person
