-- one row an index of the tables $1
select
    i.indrelid,
    c.relname::text,
    pg_get_indexdef(i.indexrelid),
    i.indisunique,
    i.indisprimary,
    array(
        select a.attname::text
        from generate_series(0, i.indnkeyatts - 1) p (position)
        left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[p.position] and a.attnum <> 0
        order by p.position
    ) as columns,
    array(
        select pg_get_indexdef(i.indexrelid, p.position, false)
        from generate_series(1, i.indnkeyatts) p (position)
        order by p.position
    ) as expressions,
    pg_get_expr(i.indpred, i.indrelid),
    -- The column exists from PostgreSQL 15 on.
    coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) as nulls_not_distinct,
    k.conname::text,
    i.indisvalid
from pg_index i
join pg_class c on c.oid = i.indexrelid
left join pg_constraint k on k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
where i.indrelid = any ($1::oid[])
order by i.indrelid, c.relname
