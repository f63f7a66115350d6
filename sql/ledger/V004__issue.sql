-- what stages found and what people decided about it; when a batch's before-images were destroyed

-- one row a finding of the run that made the batch's snapshot
create table trasvase.issue (
  batch integer not null,
  -- the same for the same finding in every batch
  id text collate "C" not null,
  -- load, transform or check
  stage text not null,
  rule text not null,
  severity text not null check (severity in ('critical', 'warning', 'info')),
  -- source, model or table, and its column
  subject text not null,
  column_name text,
  -- what it counts: rows, values, cells
  count bigint not null,
  status text not null check (status in ('open', 'accepted', 'resolved')),
  reason text,
  who text,
  decided_at text,
  primary key (batch, id)
);

-- since when its before-images and original rows are destroyed: it cannot be taken back any more
alter table trasvase.batch add column purged_at timestamptz;
