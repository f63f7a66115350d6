-- one row a vaccine that was given
select
  new_key('vaccination_record', vaccine.source_id) as id,
  new_key('pet', vaccine.pet_source_id) as pet_id,
  vaccine.vaccine_name,
  vaccine.date_given,
  vaccine.next_due_date,
  coalesce(vaccine.lot_number, '') as lot_number,
  coalesce(vaccine.manufacturer, '') as manufacturer,
  new_key('user', vaccine.vet_source_id) as administered_by_id,
  vaccine.source_id as external_id,
  migration.epoch as created_at,
  vaccine.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.vaccination_record as vaccine
cross join meta.clinic as migration
