//! A push that nothing is left of: everything in one transaction, which the caller takes back.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;
use tokio_postgres::Client;

use super::compare::Context;
use super::{Options, Plan, Report, Wrote, apply, in_transaction, lock_timeout, locks};
use crate::error;
use crate::model::ident::{TableName, literal, quoted};
use crate::pg::{execute, ledger};

/// Sequences that a push may draw from: those of the ledger's tables and of its own. With the number that comes next.
const DRAWN: &str = "\
select distinct n.nspname::text, s.relname::text
from pg_class s
join pg_namespace n on n.oid = s.relnamespace
join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.oid and d.refclassid = 'pg_class'::regclass
    and d.deptype in ('a', 'i')
join pg_class c on c.oid = d.refobjid
join pg_namespace m on m.oid = c.relnamespace
where s.relkind = 'S' and pg_has_role(s.relowner, 'usage')
    and (m.nspname = 'trasvase' or c.oid = any(array(select to_regclass(name) from unnest($1::text[]) name)))";

/// Writes everything and leaves the transaction open.
pub(super) async fn write(context: &Context<'_>, options: &Options<'_>, plan: Plan) -> Result<Report> {
    // Other sessions would write outside the transaction.
    let context = &Context { aside: None, ..*context };
    match open(context, options, &plan).await {
        Ok((batch, Wrote { written, locks, locked })) => {
            let locked_milliseconds = locks::milliseconds(locked);
            let settled = Vec::new();
            Ok(Report { plan, batch: Some(batch.id), written, settled, locks, locked_milliseconds })
        }
        Err(error) => {
            let _ = undo(context.client).await;
            Err(error.context(t!("push.nothing_stays")))
        }
    }
}

async fn open(context: &Context<'_>, options: &Options<'_>, plan: &Plan) -> Result<(ledger::Batch, Wrote)> {
    context.execute(&format!("begin; {}", apply::settings(lock_timeout(context)))).await?;
    ledger::bring_up(context.client).await?;
    shield(context, plan).await?;
    let batch = ledger::begin(context.client, context.manifest(), &options.notes).await?;
    let wrote = in_transaction(context, plan, &batch).await?;
    Ok((batch, wrote))
}

/// Takes back what a push with [`super::Ending::Open`] wrote.
pub async fn undo(client: &Client) -> Result<()> {
    execute(client, "rollback; select pg_advisory_unlock_all()").await
}

/// Restarts each sequence where it stands, so that numbers drawn in this transaction come from a copy of it that goes with
/// the transaction: `nextval` alone is never taken back. Others who draw from it wait meanwhile.
async fn shield(context: &Context<'_>, plan: &Plan) -> Result<()> {
    let tables: Vec<String> = plan.tables.iter().map(|table| table.table.quoted()).collect();
    let rows = context.client.query(DRAWN, &[&tables]).await.map_err(|error| error::postgres(&error))?;
    for row in rows {
        let (schema, name): (String, String) = (row.get(0), row.get(1));
        let sequence = format!("{}.{}", quoted(&schema), quoted(&name));
        // Locked before it is read, so that nobody draws between the two.
        let next = format!(
            "select case when s.is_called then s.last_value + p.seqincrement else s.last_value end \
             from {sequence} s, pg_sequence p where p.seqrelid = {}::regclass",
            literal(&sequence)
        );
        context.execute(&format!("alter sequence {sequence} no cycle")).await?;
        let row = context.client.query_one(&next, &[]).await.map_err(|error| error::postgres(&error))?;
        context.execute(&format!("alter sequence {sequence} restart with {}", row.get::<_, i64>(0))).await?;
    }
    Ok(())
}

/// Where every sequence of a database stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequences(BTreeMap<TableName, Option<i64>>);

impl Sequences {
    pub async fn read(client: &Client) -> Result<Self> {
        let sql = "select schemaname::text, sequencename::text, last_value from pg_sequences";
        let rows = client.query(sql, &[]).await.map_err(|error| error::postgres(&error))?;
        let named = |row: &tokio_postgres::Row| (TableName::new(Some(row.get(0)), row.get(1)), row.get(2));
        Ok(Self(rows.iter().map(named).collect()))
    }

    /// The sequences that stand elsewhere now, whoever moved them.
    pub fn moved(&self, now: &Self) -> Vec<TableName> {
        let moved = |(name, value): &(&TableName, &Option<i64>)| now.0.get(*name) != Some(*value);
        self.0.iter().filter(moved).map(|(name, _)| name.clone()).collect()
    }
}
