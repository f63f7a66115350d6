-- rollback: what a batch's tables were like, where re-pointed rows went, and what a rollback did

alter table trasvase.batch
  -- by table: key, columns in order, and whether triggers were disabled; as they were when the batch was written
  add column shape jsonb,
  add column rolled_back_at timestamptz,
  add column rolled_back_by text,
  -- rows deleted, restored, put back and left by table
  add column rolled_back jsonb;

alter table trasvase.change
  -- where a row that is in no row_digest went: its key after the change, and the digest of its text
  add column key_after text collate "C",
  add column after bytea;

-- rows as they were when a rollback was forced over them
create table trasvase.overwritten (
  batch integer not null references trasvase.batch (number),
  target_table text not null,
  key text not null,
  columns text[] not null,
  before text not null,
  at timestamptz not null default clock_timestamp()
);
