-- the ledger: which rows trasvase wrote, from what, and how the rows looked before

create table trasvase.batch (
  number integer generated always as identity primary key,
  id text collate "C" not null unique,
  clinic text not null,
  clinic_uid text not null,
  product text not null,
  system text not null,
  snapshot text not null,
  catalog_hash text not null,
  status text not null check (status in ('running', 'completed', 'failed', 'rolled_back')),
  -- rows inserted, updated, deleted, unchanged and kept by table
  counts jsonb not null default '{}',
  who text not null default session_user,
  program text not null,
  notes text not null default '',
  started_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz
);

-- integer codes for the names of sources, types and tables
create table trasvase.name (
  code integer generated always as identity primary key,
  name text collate "C" not null unique
);

-- the only key map: which record of the old system became which row
create table trasvase.external_id (
  batch integer not null,
  source integer not null,
  type integer not null,
  source_id text collate "C" not null,
  target_table integer not null,
  target_key text collate "C" not null
) partition by list (batch);

-- digests of every written row: sent over the columns that were written, stored over the whole row after the load
create table trasvase.row_digest (
  batch integer not null,
  target_table integer not null,
  key text collate "C" not null,
  sent bytea not null,
  stored bytea not null
) partition by list (batch);

-- before-images of updated and deleted rows, as record text of the named columns
create table trasvase.change (
  batch integer not null references trasvase.batch (number),
  target_table integer not null references trasvase.name (code),
  key text collate "C" not null,
  action text not null check (action in ('update', 'delete')),
  columns text[] not null,
  before text not null,
  primary key (batch, target_table, key)
);
