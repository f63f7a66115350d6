//! What a push keeps others from, and for how long.

use std::time::Instant;

use anyhow::Result;

use super::compare::Context;
use crate::error;
use crate::model::ident::TableName;
use crate::model::lock::Lock;

/// The modes that anybody else may have to wait for, as `pg_locks` names them, the weakest first. ACCESS SHARE is what every
/// reader has.
const MODES: [(&str, &str); 7] = [
    ("RowShareLock", "ROW SHARE"),
    ("RowExclusiveLock", "ROW EXCLUSIVE"),
    ("ShareUpdateExclusiveLock", "SHARE UPDATE EXCLUSIVE"),
    ("ShareLock", "SHARE"),
    ("ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE"),
    ("ExclusiveLock", "EXCLUSIVE"),
    ("AccessExclusiveLock", "ACCESS EXCLUSIVE"),
];

/// The locks that this session holds on tables, the ledger's and temporary ones aside.
const HELD: &str = "\
select n.nspname::text, c.relname::text, array_agg(distinct l.mode::text)
from pg_locks l
join pg_class c on c.oid = l.relation and c.relkind in ('r', 'p') and c.relpersistence <> 't'
join pg_namespace n on n.oid = c.relnamespace
where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.granted
    and l.database = (select oid from pg_database where datname = current_database())
    and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'trasvase')
group by 1, 2
order by 1, 2";

/// The locks that the transaction holds now. It gives none back before its end.
pub(super) async fn held(context: &Context<'_>) -> Result<Vec<Lock>> {
    let rows = context.client.query(HELD, &[]).await.map_err(|error| error::postgres(&error))?;
    let lock = |row: &tokio_postgres::Row| {
        let modes: Vec<String> = row.get(2);
        let (_, mode) = MODES.iter().rev().find(|(name, _)| modes.iter().any(|mode| mode == name))?;
        Some(Lock { table: TableName::new(Some(row.get(0)), row.get(1)), mode: (*mode).to_owned() })
    };
    Ok(rows.iter().filter_map(lock).collect())
}

pub(super) fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
