-- one row a column of the tables $1, in attribute order
select
    a.attrelid,
    a.attname::text,
    a.atttypid,
    a.atttypmod,
    format_type(a.atttypid, a.atttypmod),
    a.attnotnull,
    pg_get_expr(d.adbin, d.adrelid),
    a.attidentity::text,
    a.attgenerated <> '' as generated,
    coalesce(not l.collisdeterministic, false) as nondeterministic,
    s.sequence
from pg_attribute a
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join pg_collation l on l.oid = a.attcollation
left join lateral (
    select quote_ident(n.nspname) || '.' || quote_ident(q.relname) as sequence
    from pg_depend p
    join pg_class q on q.oid = p.objid and q.relkind = 'S'
    join pg_namespace n on n.oid = q.relnamespace
    where p.classid = 'pg_class'::regclass and p.refclassid = 'pg_class'::regclass
        and p.refobjid = a.attrelid and p.refobjsubid = a.attnum and p.deptype in ('a', 'i')
    order by p.deptype desc, q.relname
    limit 1
) s on true
where a.attrelid = any ($1::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
