-- one row a member of staff; patients have an account too, and are none
-- Of several groups the one with the most rights is the role.
-- map: user_role = raw.auth_role."name"
with
role as (
  select
    held.user_id,
    arg_min(known.target_value, list_position(['admin', 'dentist', 'technician', 'dispatcher'], known.target_value)) as role,
  from raw.auth_role as held
  join map.user_role as known on known.source_value = held.name
  group by held.user_id
)
select
  account.id as source_id,
  account.username,
  trimmed(account.first_name) as first_name,
  trimmed(account.last_name) as last_name,
  clean_email(account.email) as email,
  role.role,
  parse_yes_no(account.is_active) as is_active,
  django_instant(account.date_joined) as created_at,
  unread_texts(json_object(
    'unreadable_email', unread_text(clean_email(account.email), account.email),
    'unreadable_is_active', unread_text(parse_yes_no(account.is_active), account.is_active),
    'unreadable_date_joined', unread_text(django_instant(account.date_joined), account.date_joined)
  )) as extra,
  account._id,
  without_nulls([case when clean_email(account.email) <> account.email then 'email_spelling' end]) as _repairs,
from raw.auth_user as account
left join role on role.user_id = account.id
where parse_yes_no(account.is_staff)
