-- a key is a key, and a place none

-- A row of a model without _source_id is known by its record's place, which the view has in a column of its own: source_id is
-- null there, as it is for the records that are in no row.
create or replace view trasvase.verdict as
select
  b.clinic, r.batch, s.name as source, r.record, r.source_id, r.verdict, r.errors, r.duplicate_of
from trasvase.record r
join trasvase.batch b on b.number = r.batch and b.status = 'completed'
join trasvase.name s on s.code = r.source
union all
select
  b.clinic, e.batch, s.name, e.record, min(e.source_id) filter (where e.source_id <> e.record), 'imported' collate "C",
  '{}'::text[], null
from trasvase.external_id e
join trasvase.batch b on b.number = e.batch and b.status = 'completed'
join trasvase.name s on s.code = e.type
where
  e.record is not null
  and not exists (
    select from trasvase.record r where r.batch = e.batch and r.source = e.type and r.record = e.record
  )
group by b.clinic, e.batch, s.name, e.record;
