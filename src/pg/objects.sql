-- one row an object that users made in the schemas $1, in an order in which they can be dropped, then the ledger
with mine (classid, oid, kind, name, rank) as (
    select
        'pg_class'::regclass::oid, c.oid,
        case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
            when 'f' then 'foreign table' else 'table' end,
        quote_ident(n.nspname) || '.' || quote_ident(c.relname),
        case c.relkind when 'v' then 1 when 'm' then 1 when 'S' then 3 else 2 end
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any ($1::text[]) and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
        and not exists (
            select from pg_depend d
            where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
                and d.refclassid = 'pg_class'::regclass
        )
    union all
    select
        'pg_type'::regclass, t.oid, case t.typtype when 'd' then 'domain' else 'type' end,
        quote_ident(n.nspname) || '.' || quote_ident(t.typname), 5
    from pg_type t
    join pg_namespace n on n.oid = t.typnamespace
    left join pg_class c on c.oid = t.typrelid
    where n.nspname = any ($1::text[])
        and (t.typtype in ('e', 'd', 'r') or (t.typtype = 'c' and c.relkind = 'c'))
    union all
    select
        'pg_proc'::regclass, p.oid,
        case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end,
        quote_ident(n.nspname) || '.' || quote_ident(p.proname)
            || '(' || pg_get_function_identity_arguments(p.oid) || ')', 4
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    -- A range type's own constructors go with it.
    where n.nspname = any ($1::text[]) and not exists (
        select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'i'
    )
    union all
    select 'pg_namespace'::regclass, n.oid, 'schema', quote_ident(n.nspname), 6
    from pg_namespace n
    where n.nspname = 'trasvase' or (n.nspname = any ($1::text[]) and n.nspname <> 'public')
)
select m.kind, m.name
from mine m
where not exists (
    select from pg_depend d where d.classid = m.classid and d.objid = m.oid and d.deptype = 'e'
)
order by m.rank, m.name
