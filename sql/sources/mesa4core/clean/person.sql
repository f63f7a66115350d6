-- one row a natural or legal person
-- map: person_type = raw.lml_people."personType"
select
  mongo_text(_doc->'$._id') as source_id,
  person_type.target_value as kind,
  mongo_text(_doc->'$.firstName') as first_name,
  mongo_text(_doc->'$.lastName') as last_name,
  mongo_text(_doc->'$.legalName') as legal_name,
  mongo_text(_doc->'$.document.type') as document_type,
  mongo_text(_doc->'$.document.number') as document_number,
  mongo_text(_doc->'$.cuit') as tax_id,
  clean_email(mongo_text(_doc->'$.email')) as email,
  phone_e164(mongo_text(_doc->'$.phone'), 'AR') as phone,
  mongo_ts(_doc->'$.birthDate')::date as birth_date,
  user_ref(_doc->'$.createdBy') as created_by_user_id,
  user_ref(_doc->'$.updatedBy') as updated_by_user_id,
  made_at(_doc->'$.createdAt', _doc->'$.updatedAt', (select epoch from meta.clinic)) as created_at,
  coalesce(mongo_ts(_doc->'$.updatedAt'), made_at(_doc->'$.createdAt', _doc->'$.updatedAt', (select epoch from meta.clinic))) as updated_at,
  made_at_repairs(_doc->'$.createdAt', _doc->'$.updatedAt') as _repairs,
  people._id,
from raw.lml_people as people
left join map.person_type as person_type on person_type.source_value = people."personType"
