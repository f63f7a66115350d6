//! push: a snapshot into PostgreSQL, all or nothing, with every written row in the ledger.
//!
//! A push reads twice: once in a transaction that is rolled back, to make the [`Plan`] (which `--dry-run` prints), and
//! once to carry it out. Between the two the batch is written down as `running` in a transaction of its own; the data
//! transaction makes it `completed`, so that an unknown COMMIT can be settled by looking.

mod apply;
mod compare;
mod plan;
mod rebuild;
mod record;
mod rows;
mod spool;

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio_postgres::Client;

use crate::codec::LiveOids;
use crate::config::Clinic;
use crate::error::{self, Failure};
use crate::model::catalog::Catalog;
use crate::model::run::Observer;
use crate::pg::{self, ledger};
use crate::snapshot::Snapshot;
use compare::Context;

pub use apply::Written;
pub use plan::{Plan, TablePlan};
pub use rebuild::{Rebuild, Statement};

/// What to push and where.
pub struct Options<'a> {
    pub clinic: &'a Clinic,
    pub snapshot: &'a Snapshot,
    pub client: &'a Client,
    pub catalog: &'a Catalog,
    pub oids: &'a LiveOids,
    /// Stop after the plan; nothing is written or locked.
    pub dry_run: bool,
    /// The plan that a person looked at: another one is refused.
    pub expected_plan: Option<String>,
}

/// What a push did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub plan: Plan,
    /// The batch that was written, none where nothing changed or in a dry run.
    pub batch: Option<String>,
    pub written: BTreeMap<String, Written>,
    /// Earlier batches whose process had died, now marked as failed.
    pub settled: Vec<String>,
}

/// Plans a push and, unless it is a dry run or changes nothing, carries it out.
///
/// # Errors
/// A snapshot whose files were changed; a catalog that is not the one that was checked; a plan other than the expected
/// one; anything PostgreSQL refuses. In every case the target's tables are as before.
pub async fn run(options: &Options<'_>, observer: &dyn Observer) -> Result<Report> {
    options.snapshot.verify_files()?;
    let context = Context {
        client: options.client,
        clinic: options.clinic,
        snapshot: options.snapshot,
        catalog: options.catalog,
        oids: options.oids,
        observer,
    };
    let has_ledger = ledger::exists(options.client).await?;
    if has_ledger {
        ledger::same_clinic(options.client, options.snapshot.manifest()).await?;
    }
    let plan = make_plan(&context).await?;
    if let Some(expected) = &options.expected_plan
        && *expected != plan.id
    {
        return Err(Failure::failed(t!("push.plan_moved", expected = expected, found = plan.id))
            .hint(t!("push.plan_moved_hint"))
            .into());
    }
    if options.dry_run || plan.writes() == 0 {
        return Ok(Report { plan, batch: None, written: BTreeMap::new(), settled: Vec::new() });
    }
    ledger::migrate(options.client).await?;
    let settled = ledger::settle(options.client).await?;
    let batch = ledger::begin(options.client, options.snapshot.manifest()).await?;
    let written = match write(&context, &plan, &batch).await {
        Ok(written) => written,
        Err(error) => return Err(give_up(&context, &batch, error).await),
    };
    Ok(Report { plan, batch: Some(batch.id), written, settled })
}

/// Compares in a transaction that leaves no trace.
async fn make_plan(context: &Context<'_>) -> Result<Plan> {
    let manifest = context.manifest();
    for entry in &manifest.tables {
        if context.catalog.table(&entry.table).is_none() {
            return Err(Failure::failed(t!("push.no_table", table = entry.table))
                .hint(t!("push.catalog_moved_hint"))
                .into());
        }
    }
    let names: Vec<_> = manifest.tables.iter().map(|entry| entry.table.clone()).collect();
    let catalog_hash = pg::catalog::hash(context.catalog, &names);
    if catalog_hash != manifest.catalog_hash {
        return Err(Failure::failed(t!("push.catalog_moved")).hint(t!("push.catalog_moved_hint")).into());
    }
    context.execute("begin").await?;
    let comparisons = compare::compare(context).await;
    context.execute("rollback").await?;
    plan::plan(context.clinic, manifest, context.catalog, &catalog_hash, &comparisons?)
}

async fn write(
    context: &Context<'_>,
    plan: &Plan,
    batch: &ledger::Batch,
) -> Result<BTreeMap<String, Written>> {
    let lock_timeout = context.clinic.load.lock_timeout.as_deref().unwrap_or("10s");
    context.execute(&format!("begin; {}", apply::settings(lock_timeout))).await?;
    let written = apply::apply(context, plan, batch).await?;
    let counts = serde_json::to_value(&written)?;
    ledger::complete(context.client, batch, &counts).await?;
    error::interrupt::check()?;
    context.execute("commit").await?;
    context.execute("select pg_advisory_unlock_all()").await?;
    Ok(written)
}

/// Rolls back and marks the batch as failed; a lost connection does the first by itself, and the next command the second.
async fn give_up(context: &Context<'_>, batch: &ledger::Batch, error: anyhow::Error) -> anyhow::Error {
    if context.execute("rollback; select pg_advisory_unlock_all()").await.is_ok() {
        // The batch stays `running` if this fails too, and is settled by the next push.
        let _ = ledger::settle(context.client).await;
        return error.context(t!("push.nothing_written", batch = batch.id));
    }
    error.context(t!("push.unknown", batch = batch.id))
}
