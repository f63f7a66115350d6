-- one row a constraint of the tables $1; NOT NULL is said of the column
select
    k.conrelid,
    k.conname::text,
    k.contype::text,
    array(
        select a.attname::text
        from unnest(k.conkey) with ordinality u (attnum, position)
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum
        order by u.position
    ) as columns,
    pg_get_constraintdef(k.oid),
    k.convalidated,
    k.condeferrable,
    k.condeferred,
    case when k.contype in ('p', 'u', 'x') then x.relname::text end as index,
    fn.nspname::text,
    f.relname::text,
    array(
        select a.attname::text
        from unnest(k.confkey) with ordinality u (attnum, position)
        join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.attnum
        order by u.position
    ) as referenced_columns,
    case k.confdeltype when 'r' then 'restrict' when 'c' then 'cascade' when 'n' then 'set null'
        when 'd' then 'set default' else 'no action' end as on_delete,
    k.confmatchtype = 'f' as match_full
from pg_constraint k
left join pg_class x on x.oid = k.conindid
left join pg_class f on f.oid = k.confrelid
left join pg_namespace fn on fn.oid = f.relnamespace
where k.conrelid = any ($1::oid[]) and k.contype in ('p', 'u', 'f', 'c', 'x')
order by k.conrelid, k.conname
