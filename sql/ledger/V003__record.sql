-- what became of every source record

-- One row a source record that is in no row of the target by itself: rejected, merged into another, filtered by a model.
-- Imported records have a row here only where the clinic keeps original rows ([ledger] keep_rows in clinic.toml): else
-- external_id says it of them, and trasvase.verdict unites both. A batch holds the verdicts of its whole snapshot, but for
-- sources that no model reads: of those batch.counts says that all their records are filtered.
create table trasvase.record (
  batch integer not null,
  -- code of the source's name
  source integer not null,
  -- where it stands, as source:file:row
  record text collate "C" not null,
  -- its natural key, where a model read it
  source_id text collate "C",
  -- imported, merged, rejected, skipped (unchanged: its row is from an earlier batch) or filtered
  verdict text collate "C" not null,
  -- every rule that refuses it, with columns and constraints; no value
  errors text[] not null,
  -- the record that stands in its place, as source:file:row
  duplicate_of text collate "C",
  -- the row as it was read
  original jsonb
) partition by list (batch);

-- the first record that a row is made of, as source:file:row
alter table trasvase.external_id add column record text collate "C";

-- Every source record's verdict, by batch. A record of the batch's snapshot that is not here was skipped: unchanged
-- since the batch that has it as imported; batch.counts says how many those are.
create view trasvase.verdict as
select
  b.clinic, r.batch, s.name as source, r.record, r.source_id, r.verdict, r.errors, r.duplicate_of
from trasvase.record r
join trasvase.batch b on b.number = r.batch and b.status = 'completed'
join trasvase.name s on s.code = r.source
union all
select
  b.clinic, e.batch, s.name, e.record, min(e.source_id), 'imported' collate "C", '{}'::text[], null
from trasvase.external_id e
join trasvase.batch b on b.number = e.batch and b.status = 'completed'
join trasvase.name s on s.code = e.type
where
  e.record is not null
  and not exists (
    select from trasvase.record r where r.batch = e.batch and r.source = e.type and r.record = e.record
  )
group by b.clinic, e.batch, s.name, e.record;

comment on table trasvase.record is 'source records that are in no row by themselves; imported ones are in external_id, see the view verdict';
comment on column trasvase.record.verdict is 'imported records are here only where the clinic keeps original rows; else external_id has them';
comment on column trasvase.batch.counts is 'by table: rows inserted, updated, deleted, adopted; by source: records in total, imported, skipped, errors, duplicates, filtered';
