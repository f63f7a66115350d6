-- one row a table, with the flags that decide what a push may do to it
-- $1, $2: schemas and names of the tables wanted, or null for all that users made
select
    c.oid,
    n.nspname::text,
    c.relname::text,
    c.relkind = 'p'
        or exists (select from pg_inherits i where i.inhrelid = c.oid)
        or exists (select from pg_inherits i where i.inhparent = c.oid) as partitioned,
    exists (select from pg_inherits i where i.inhrelid = c.oid) as partition_child,
    row_security_active(c.oid) as row_security,
    c.relreplident = 'i' as replica_identity_index,
    exists (select from pg_index i where i.indrelid = c.oid and i.indisclustered) as clustered,
    pg_has_role(c.relowner, 'usage') as owned,
    array(select p.polname::text from pg_policy p where p.polrelid = c.oid order by 1) as policies,
    array(
        select distinct coalesce(quote_ident(vn.nspname) || '.' || quote_ident(v.relname), d.objid::regprocedure::text)
        from pg_constraint k
        join pg_depend d on d.refclassid = 'pg_constraint'::regclass and d.refobjid = k.oid
        left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
        left join pg_class v on v.oid = r.ev_class
        left join pg_namespace vn on vn.oid = v.relnamespace
        where k.conrelid = c.oid and d.classid in ('pg_rewrite'::regclass, 'pg_proc'::regclass)
        order by 1
    ) as dependent_views,
    exists (
        select
        from pg_index i
        join pg_class x on x.oid = i.indexrelid
        where i.indrelid = c.oid and (
            x.reltablespace <> 0
            or exists (
                select from pg_attribute a where a.attrelid = x.oid and coalesce(a.attstattarget, -1) >= 0
            )
            or exists (
                select from pg_description t where t.classoid = 'pg_class'::regclass and t.objoid = x.oid
            )
        )
    ) or exists (
        select
        from pg_constraint k
        join pg_description t on t.classoid = 'pg_constraint'::regclass and t.objoid = k.oid
        where k.conrelid = c.oid and k.contype in ('p', 'u', 'f', 'x')
    ) as index_statistics
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relpersistence <> 't' and case
    when $1::text[] is not null then exists (
        select from unnest($1::text[], $2::text[]) w (nspname, relname)
        where w.nspname = n.nspname and w.relname = c.relname
    )
    else n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'trasvase') and not exists (
        select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
end
