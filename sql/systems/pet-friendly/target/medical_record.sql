-- one row an entry of an animal's clinical history
select
  new_key('medical_record', record.source_id) as id,
  new_key('pet', record.pet_source_id) as pet_id,
  record.date,
  record.record_type,
  coalesce(record.description, '') as description,
  coalesce(record.diagnosis, '') as diagnosis,
  coalesce(record.treatment, '') as treatment,
  coalesce(record.notes, '') as notes,
  new_key('user', record.vet_source_id) as vet_id,
  record.source_id as external_id,
  migration.epoch as created_at,
  record.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.medical_record as record
cross join meta.clinic as migration
