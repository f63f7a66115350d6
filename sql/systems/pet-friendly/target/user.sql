-- one row a person who may log in: owners, and those who work in the clinic
-- the staff has no raw row behind it (_id is null)
with
owners as (
  select
    new_key('user', owner.golden_id) as id,
    coalesce(owner.email, 'imported_' || owner.source_id || '@placeholder.local') as email,
    owner.first_name,
    owner.last_name,
    false as is_staff,
    owner.created_at,
    owner.source_id as _source_id,
    columns('^_(id|ids|repairs)$'),
  from golden.owner as owner
),
staff as (
  select
    new_key('user', staff.source_id) as id,
    staff.source_id as email,
    staff.first_name,
    staff.last_name,
    true as is_staff,
    staff.source_id as _source_id,
  from golden.staff as staff
),
final as (
  from owners union all by name from staff
)
select
  person.id,
  person.email,
  person.first_name,
  coalesce(person.last_name, '') as last_name,
  true as is_active,
  person.is_staff,
  coalesce(person.created_at, migration.epoch) as date_joined,
  person._source_id,
  columns('^_(id|ids|repairs)$'),
from final as person
cross join meta.clinic as migration
