//! Triggers: those that must not run while rows come back as they were, and those that wrote elsewhere when they ran.

use std::collections::BTreeSet;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio_postgres::Client;

use super::batch::{Batch, shape};
use super::work::Work;
use crate::error::{self, Failure};
use crate::model::catalog::Catalog;
use crate::model::ident::TableName;
use crate::pg::triggers::{self, Running};

/// A trigger that ran when rows were written, and may have written rows of other tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    pub table: TableName,
    pub trigger: String,
    pub function: String,
    /// Tables that the function's text names as written.
    pub writes: Vec<TableName>,
    /// The text does not tell all that it writes: it is built at run time, or not in SQL.
    pub unknown: bool,
}

/// The triggers of a table that would run.
///
/// # Errors
/// There are some, and the role does not own the table, so it may not disable them.
pub(super) async fn to_disable(client: &Client, work: &Work<'_>) -> Result<Vec<Running>> {
    let running = triggers::running(client, &work.table).await?;
    if !running.is_empty() && !work.live.owned {
        let names = running.iter().map(|one| one.name.as_str()).collect::<Vec<&str>>().join(", ");
        return Err(Failure::failed(t!("rollback.not_owner", table = work.table, triggers = names))
            .hint(t!("rollback.not_owner_hint", table = work.table))
            .into());
    }
    Ok(running)
}

/// Whether the texts of a trigger's function and of all that it calls tell what they write, and the tables that these name
/// as written.
const FUNCTION: &str = "\
with recursive functions as (
    select p.oid, p.proname, l.lanname, coalesce(nullif(p.prosrc, ''), pg_get_functiondef(p.oid)) as source
    from pg_proc p join pg_language l on l.oid = p.prolang
    where p.prokind in ('f', 'p') and l.lanname not in ('internal', 'c')
    and p.pronamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)),
called as (
    select f.* from pg_trigger t join functions f on f.oid = t.tgfoid
    where t.tgrelid = to_regclass($1) and t.tgname = $2 and not t.tgisinternal
    union
    select f.* from called c join functions f on c.source ~* ('\\m' || regexp_replace(f.proname, '(\\W)', '\\\\\\1', 'g') || '\"?\\s*\\('))
select bool_and(f.lanname in ('sql', 'plpgsql') and f.source !~* '\\mexecute\\M'), array(
    select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v') and n.nspname not in ('pg_catalog', 'information_schema', 'trasvase')
    and exists (select from called where called.source ~* ('\\m(insert\\s+into|update(\\s+only)?|delete\\s+from(\\s+only)?|merge\\s+into|truncate(\\s+table)?(\\s+only)?)\\s+(\"?'
        || regexp_replace(n.nspname, '(\\W)', '\\\\\\1', 'g') || '\"?\\s*\\.\\s*)?\"?' || regexp_replace(c.relname, '(\\W)', '\\\\\\1', 'g') || '\\M'))
    order by 1)
from called f having count(*) > 0";

/// The triggers that ran when the batches were written, as far as the catalog tells today, and what they may have written.
pub(super) async fn elsewhere(
    client: &Client,
    catalog: &Catalog,
    batches: &[Batch],
    works: &[Work<'_>],
) -> Result<Vec<Elsewhere>> {
    let mut found = Vec::new();
    for work in works {
        let disabled = shape(batches, &work.table, catalog).is_some_and(|shape| shape.triggers_disabled);
        let (name, events) = (work.table.to_string(), events(batches, &work.table));
        let fires = |trigger: &&crate::model::catalog::Trigger| {
            trigger.enabled && !disabled && events.iter().any(|event| trigger.fires_on(event))
        };
        for trigger in work.live.triggers.iter().filter(fires) {
            let row = client.query_opt(FUNCTION, &[&work.table.quoted(), &trigger.name]).await;
            let Some(row) = row.map_err(|error| error::postgres(&error))? else { continue };
            let (unknown, writes): (bool, Vec<String>) = (!row.get::<_, bool>(0), row.get(1));
            if unknown || !writes.is_empty() {
                found.push(Elsewhere {
                    table: TableName::from(name.as_str()),
                    trigger: trigger.name.clone(),
                    function: trigger.function.clone(),
                    writes: writes.into_iter().map(TableName::from).collect(),
                    unknown,
                });
            }
        }
    }
    Ok(found)
}

/// What the batches did to a table.
fn events(batches: &[Batch], table: &TableName) -> BTreeSet<&'static str> {
    let name = table.to_string();
    let kinds = [
        ("inserted", "insert"),
        ("updated", "update"),
        ("repointed", "update"),
        ("deleted", "delete"),
        ("retired", "delete"),
    ];
    let did = |kind: &str| batches.iter().any(|batch| batch.count(&name, kind) > 0);
    kinds.into_iter().filter(|(kind, _)| did(kind)).map(|(_, event)| event).collect()
}
