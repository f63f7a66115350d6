-- one row a file that belongs to an animal
select
  new_key('document', document.source_id) as id,
  new_key('pet', document.pet_source_id) as pet_id,
  document.title,
  document.file,
  document.kind,
  document.date,
  coalesce(document.notes, '') as notes,
  document.source_id as external_id,
  migration.epoch as created_at,
  document.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.document as document
cross join meta.clinic as migration
