-- one row a type: those of $1 and all that they are made of
-- int2vector and oidvector have elements too, but are no arrays of them: they are written in another way
with recursive used (oid) as (
    select unnest($1::oid[])
    union
    select part.oid
    from used
    join pg_type t on t.oid = used.oid
    left join pg_range r on r.rngtypid = t.oid
    left join pg_range m on m.rngmultitypid = t.oid
    cross join lateral (
        select t.typbasetype
        union all
        select e.oid from pg_type e where e.oid = t.typelem and e.typarray = t.oid
        union all
        select r.rngsubtype
        union all
        select m.rngtypid
        union all
        select a.atttypid
        from pg_attribute a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) part (oid)
    where part.oid <> 0
)
select
    t.oid,
    t.typname::text,
    n.nspname::text,
    format_type(t.oid, null),
    case when exists (select from pg_type e where e.oid = t.typelem and e.typarray = t.oid) then 'a' else t.typtype::text end as kind,
    t.typsend <> 0 as binary,
    t.typnotnull,
    case when t.typtype = 'd' then t.typbasetype when t.typtype = 'r' then r.rngsubtype
        when t.typtype = 'm' then m.rngtypid else t.typelem end as inner_type,
    t.typtypmod,
    case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end as base_name,
    t.typdelim::text,
    array(select e.enumlabel::text from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder) as labels,
    array(
        select pg_get_constraintdef(k.oid) from pg_constraint k
        where k.contypid = t.oid and k.contype = 'c' order by k.conname
    ) as checks,
    f.names,
    f.types,
    f.modifiers,
    f.type_names
from used
join pg_type t on t.oid = used.oid
join pg_namespace n on n.oid = t.typnamespace
left join pg_range r on r.rngtypid = t.oid
left join pg_range m on m.rngmultitypid = t.oid
left join lateral (
    select
        array_agg(a.attname::text order by a.attnum) as names,
        array_agg(a.atttypid order by a.attnum) as types,
        array_agg(a.atttypmod order by a.attnum) as modifiers,
        array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum) as type_names
    from pg_attribute a
    where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
) f on true
