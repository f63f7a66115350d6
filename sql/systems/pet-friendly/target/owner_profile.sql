-- one row an owner
select
  new_key('owner_profile', owner.golden_id) as id,
  new_key('user', owner.golden_id) as user_id,
  coalesce(owner.phone, owner.mobile) as phone,
  owner.mobile,
  coalesce(owner.address, '') as address,
  coalesce(owner.city, '') as city,
  concat_ws(chr(10), owner.notes, 'Imported from ' || migration.product || '. Original ID: ' || owner.source_id) as notes,
  owner.source_id as external_id,
  coalesce(owner.created_at, migration.epoch) as created_at,
  owner.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.owner as owner
cross join meta.clinic as migration
