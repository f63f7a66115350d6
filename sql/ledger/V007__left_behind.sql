-- rows that a rollback left where they were, since people had edited them or since they are needed by rows that stay

create table trasvase.left_behind (
  -- the newest batch that the rollback took back
  batch integer not null references trasvase.batch (number),
  target_table integer not null references trasvase.name (code),
  key text collate "C" not null,
  -- digest of its text as it was left: a row with its key that says something else may be anybody's
  after bytea not null,
  primary key (batch, target_table, key)
);
