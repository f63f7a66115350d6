-- pages: what a first load notes of rows that stand as they were sent, as many as one of PostgreSQL's own pages holds
--
-- A row of its own for each in external_id and in row_digest took three times the bytes of the data, and as long as the data
-- itself (measured with 5,000,000 rows). Who reads, reads the views, which are what the tables were; a batch that does more
-- than fill empty tables writes row by row, as before.

alter table trasvase.external_id rename to external_id_single;
alter table trasvase.row_digest rename to row_digest_single;

create table trasvase.page (
  batch integer not null,
  target_table integer not null,
  -- of external_id; type is null where nothing is known of the rows' records
  source integer not null,
  type integer,
  keys text[] collate "C" not null,
  -- one after the other, 32 bytes a row
  sent bytea not null,
  -- the same: 8 bytes a column and row
  columns bytea,
  -- null where it is the key
  source_ids text[] collate "C",
  records text[] collate "C"
) partition by list (batch);

-- they would cost much and say nothing
alter table trasvase.page
  alter keys set statistics 0,
  alter sent set statistics 0,
  alter columns set statistics 0,
  alter source_ids set statistics 0,
  alter records set statistics 0;

create view trasvase.external_id as
select batch, source, type, source_id, target_table, target_key, record
from trasvase.external_id_single
union all
select p.batch, p.source, p.type, coalesce(r.source_id, r.target_key), p.target_table, r.target_key, r.record
from trasvase.page p
cross join lateral unnest(p.keys, p.source_ids, p.records) r (target_key, source_id, record)
where p.type is not null;

create view trasvase.row_digest as
select batch, target_table, key, sent, stored, columns, stored_columns
from trasvase.row_digest_single
union all
select
  p.batch, p.target_table, r.key, substring(p.sent from 32 * r.n::integer - 31 for 32), null::bytea,
  substring(
    p.columns from length(p.columns) / cardinality(p.keys) * (r.n::integer - 1) + 1 for length(p.columns) / cardinality(p.keys)
  ),
  null::bytea
from trasvase.page p
cross join lateral unnest(p.keys) with ordinality r (key, n);

-- as in V012, over the view
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

-- who could read the tables can read the views
do $$
declare
  reader record;
begin
  for reader in
    select replace(c.relname, '_single', '') as name, case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as role
    from pg_class c
    cross join lateral aclexplode(c.relacl) a
    where
      c.oid in ('trasvase.external_id_single'::regclass, 'trasvase.row_digest_single'::regclass)
      and a.privilege_type = 'SELECT'
      and a.grantee <> c.relowner
  loop
    execute format('grant select on trasvase.%I to %s', reader.name, reader.role);
  end loop;
end
$$;
