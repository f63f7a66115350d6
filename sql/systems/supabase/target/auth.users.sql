-- one row an account of Supabase: a member of staff; who has no e-mail cannot sign in until somebody gives one
-- Django's passwords cannot be read by Supabase: people ask for a new one.
select
  profiles.golden_id as id,
  'authenticated' as aud,
  'authenticated' as role,
  profiles.email,
  json_object('provider', 'email', 'providers', ['email']) as raw_app_meta_data,
  json_merge_patch('{}', json_object(
    'first_name', profiles.first_name,
    'last_name', profiles.last_name,
    'legacy_id', profiles.source_id
  )) as raw_user_meta_data,
  coalesce(profiles.created_at, migration.epoch) as created_at,
  coalesce(profiles.created_at, migration.epoch) as updated_at,
  columns('^_(id|ids|repairs)$'),
from golden.profiles as profiles
cross join meta.clinic as migration
