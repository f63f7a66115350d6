-- one row a trigger that a user made on the tables $1
select
    t.tgrelid,
    t.tgname::text,
    pg_get_triggerdef(t.oid),
    quote_ident(n.nspname) || '.' || quote_ident(p.proname) as function,
    t.tgenabled in ('O', 'A') as enabled,
    concat_ws(
        ' ',
        case when t.tgtype & 2 <> 0 then 'before' when t.tgtype & 64 <> 0 then 'instead of' else 'after' end,
        concat_ws(
            ' or ',
            case when t.tgtype & 4 <> 0 then 'insert' end,
            case when t.tgtype & 8 <> 0 then 'delete' end,
            case when t.tgtype & 16 <> 0 then 'update' end,
            case when t.tgtype & 32 <> 0 then 'truncate' end
        )
    ) as timing
from pg_trigger t
join pg_proc p on p.oid = t.tgfoid
join pg_namespace n on n.oid = p.pronamespace
where t.tgrelid = any ($1::oid[]) and not t.tgisinternal
order by t.tgrelid, t.tgname
