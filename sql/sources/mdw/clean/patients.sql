-- one row a patient's record; who has two accounts has two, and golden.patients makes them one
-- dispatch_patient holds neither name nor e-mail: both stand in auth_user.
with
source as (
  select
    patient.id as source_id,
    name_case(concat_ws(' ', trimmed(account.first_name), trimmed(account.last_name))) as full_name,
    trimmed(account.first_name) as given,
    account.username,
    account.email,
    patient.birthdate,
    parse_date(patient.birthdate) as birth_date,
    patient.sex,
    account.date_joined,
    django_instant(account.date_joined) as created_at,
    patient.updated_at as written_at,
    django_instant(patient.updated_at) as updated_at,
    without_nulls([patient._id, account._id]) as _ids,
  from raw.dispatch_patient as patient
  left join raw.auth_user as account on account.id = patient.user_id
)
select
  source_id,
  -- who has no name goes by the account's, so that the orders keep their patient
  coalesce(left(full_name, length(given)), username) as first_name,
  trimmed(right(full_name, length(full_name) - length(given))) as last_name,
  birth_date,
  case parse_sex(sex) when 'F' then 'female' when 'M' then 'male' when 'X' then 'other' end as sex,
  clean_email(email) as email,
  created_at,
  updated_at,
  json_merge_patch('{}', json_object(
    'username', username,
    'unreadable_email', case when email <> '' and clean_email(email) is null then email end,
    'unreadable_birthdate', unread_text(birth_date, birthdate),
    'unreadable_sex', unread_text(parse_sex(sex), sex),
    'unreadable_date_joined', unread_text(created_at, date_joined),
    'unreadable_updated_at', unread_text(updated_at, written_at)
  )) as extra,
  _ids,
  without_nulls([
    case when given is null then 'name_missing' end,
    unread_cell('email_unreadable', clean_email(email), nullif(email, ''))
  ]) as _repairs,
from source
