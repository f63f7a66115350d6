-- one row an organization: the facilities where patients were seen
with digits as (
  -- some hold two numbers ("978-342-9781 Or 978-342-9781"): the first counts, extra keeps the text
  select *, regexp_replace(phone, '[^0-9]', '', 'g') as phone_digits from raw.organizations
)
select
  organization.id as source_id,
  organization.name as name,
  null::varchar as timezone,
  case when length(organization.phone_digits) >= 10 then '+1' || left(organization.phone_digits, 10) end as phone,
  organization.address as address,
  organization.city as city,
  organization.state as province,
  organization.zip as postal_code,
  null::varchar as record_status,
  null::timestamptz as created_at,
  json_merge_patch('{}', json_object(
    'phone', organization.phone,
    'latitude', organization.lat,
    'longitude', organization.lon,
    'revenue', organization.revenue,
    'utilization', organization.utilization
  )) as extra,
  case when length(organization.phone_digits) > 10 then ['second_phone'] end as _repairs,
  organization._id,
from digits as organization
