-- accounts: who a batch of users made in a service, and who was there before and is only bound to a row

create table trasvase.account (
  number integer generated always as identity primary key,
  clinic text not null,
  -- cognito:<user pool> or supabase:<host>
  service text not null,
  target_table text not null,
  -- of the row that has it
  target_key text collate "C" not null,
  -- the service's id; null from before it is asked until it has answered
  account text collate "C",
  -- ours: trasvase made it, and only then takes it away; else it was there
  made boolean not null,
  -- the batch that wrote its id; null until that is committed
  batch integer references trasvase.batch (number),
  noted_by text not null default session_user,
  begun_at timestamptz not null default clock_timestamp(),
  disabled_at timestamptz,
  -- when it was removed, or found to be gone
  removed_at timestamptz
);

-- of one row, the account that it has now
create unique index account_of_row on trasvase.account (clinic, service, target_table, target_key) where removed_at is null;
