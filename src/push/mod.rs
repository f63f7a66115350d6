//! push: a snapshot into PostgreSQL, all or nothing, with every written row in the ledger.
//!
//! A push reads twice: once in a transaction that is rolled back, to make the [`Plan`] (which `--dry-run` prints), and
//! once to carry it out. Between the two the batch is written down as `running` in a transaction of its own; the data
//! transaction makes it `completed`, so that an unknown COMMIT can be settled by looking.

mod absent;
mod after;
mod apply;
mod compare;
mod counts;
mod delete;
mod filled;
mod golden;
mod guard;
mod held;
mod left;
mod left_behind;
mod locks;
mod merge;
mod notes;
mod numbers;
mod pages;
mod plan;
mod rebuild;
mod record;
mod referrers;
mod refusal;
mod rehearsal;
mod rows;
mod settle;
mod shared;
mod unknown;
mod vanished;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio_postgres::Client;

use crate::codec::LiveOids;
use crate::config::{Clinic, Project};
use crate::error::{self, Failure};
use crate::model::catalog::Catalog;
use crate::model::ident::TableName;
use crate::model::lock::Lock;
use crate::model::run::Observer;
use crate::pg::crossed::{self, Crossed};
use crate::pg::ledger::{self, Shape};
use crate::snapshot::Snapshot;
use compare::Context;

pub use apply::Written;
pub use golden::{GoldenPlan, pending};
pub use plan::{Plan, TablePlan};
pub use rebuild::{Rebuild, Statement};
pub use rehearsal::{Sequences, undo};
pub use settle::{Begun, settle};

/// How a push ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// What was written stays, and the golden ids are recorded.
    #[default]
    Stays,
    /// What was written stays in a database that will be dropped: nothing is recorded elsewhere.
    Scratch,
    /// Everything, the ledger's own rows too, is in one transaction, which is open afterwards: the caller looks at it and
    /// takes it back by [`undo`].
    Open,
}

/// What to push and where.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub snapshot: &'a Snapshot,
    pub client: &'a Client,
    /// Another connection to the same database, for the ledger of a first load; without it, one does all.
    pub aside: Option<&'a Client>,
    pub catalog: &'a Catalog,
    pub oids: &'a LiveOids,
    /// Stop after the plan; nothing is written or locked. What a push would wait for is no matter then: see [`pending`].
    pub dry_run: bool,
    /// Push although more pairs of records wait for a decision than the clinic allows.
    pub allow_pending: bool,
    /// The plan that a person looked at: another one is refused.
    pub expected_plan: Option<String>,
    /// What a person has to say about the batch.
    pub notes: String,
    pub ending: Ending,
}

/// What a push did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub plan: Plan,
    /// The batch that was written, none in a dry run, or where no row changes and one of this snapshot stands.
    pub batch: Option<String>,
    pub written: BTreeMap<String, Written>,
    /// Earlier batches whose process had died, now marked as failed.
    pub settled: Vec<String>,
    /// The locks that the data transaction held in the end, of those that somebody may have to wait for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<Lock>,
    /// From the first lock to the end of the transaction, or where it is left open to the end of its writing.
    pub locked_milliseconds: u64,
}

/// Plans a push and, unless it is a dry run or changes nothing, carries it out. A snapshot that changes no row has a batch
/// all the same, the first time: the ledger says what became of its records.
///
/// # Errors
/// A snapshot whose files were changed; a catalog that is not the one that was checked; rows in the way of what a load
/// mode would do; records that wait for a decision; a plan other than the expected one; anything PostgreSQL refuses. In
/// every such case the target's tables are as before. Golden ids that cannot be recorded afterwards: the push stands.
pub async fn run(options: &Options<'_>, observer: &dyn Observer) -> Result<Report> {
    if !options.dry_run && !options.allow_pending {
        pending(options.clinic, options.snapshot)?;
    }
    let clinic = options.clinic.for_rows_of(options.snapshot.manifest());
    let options = &Options {
        clinic: &clinic,
        expected_plan: options.expected_plan.clone(),
        notes: options.notes.clone(),
        ..*options
    };
    let snapshot = options.snapshot.clone();
    let files = tokio::task::spawn_blocking(move || snapshot.verify_files());
    let context = Context {
        client: options.client,
        aside: options.aside,
        project: options.project,
        clinic: options.clinic,
        snapshot: options.snapshot,
        catalog: options.catalog,
        oids: options.oids,
        observer,
    };
    let prepared = prepare(&context, options).await;
    let as_expected =
        |plan: &Plan| options.expected_plan.as_ref().is_none_or(|expected| *expected == plan.id);
    let stays = !options.dry_run && options.ending != Ending::Open;
    let writes = |(plan, _): &(Plan, _)| stays && !plan.is_nothing() && as_expected(plan);
    // Rows may go before it is known that the snapshot is whole, but none is there to stay.
    let files = match &prepared {
        Ok(prepared) if writes(prepared) => Some(files),
        // A snapshot that was changed is the better news of two.
        _ => {
            files.await??;
            None
        }
    };
    let (plan, settled) = prepared?;
    if let Some(expected) = &options.expected_plan
        && !as_expected(&plan)
    {
        return Err(Failure::failed(t!("push.plan_moved", expected = expected, found = plan.id))
            .hint(t!("push.plan_moved_hint"))
            .into());
    }
    if options.dry_run || plan.is_nothing() {
        if !options.dry_run && options.ending == Ending::Stays {
            golden::record(options, None)?;
        }
        let (locks, locked_milliseconds) = (Vec::new(), 0);
        let written = BTreeMap::new();
        return Ok(Report { plan, batch: None, written, settled, locks, locked_milliseconds });
    }
    guard::privileges(&context, &plan).await?;
    golden::readable(options)?;
    if options.ending == Ending::Open {
        return rehearsal::write(&context, options, plan).await;
    }
    ledger::migrate(options.client).await?;
    let batch = ledger::begin(options.client, options.snapshot.manifest(), &options.notes).await?;
    let mut wrote = write(&context, &plan, &batch).await;
    // Who interrupts need not wait.
    if let (Some(files), Ok(())) = (files, error::interrupt::check()) {
        wrote = files.await.map_err(Into::into).and_then(|whole| whole).and(wrote);
    }
    let (id, written, locks) = (Some(batch.id.clone()), BTreeMap::new(), Vec::new());
    let begun = Report { plan, batch: id, written, settled, locks, locked_milliseconds: 0 };
    let (report, locked) = match wrote {
        Ok(Wrote { written, locks, locked }) => (Report { written, locks, ..begun }, locked),
        Err(error) => {
            let text = t!("push.nothing_written", batch = batch.id).into_owned();
            return Err(match roll_back(&context).await {
                true => error.context(text),
                false => error.context(Begun { report: begun, batch: batch.id, text }),
            });
        }
    };
    let report = commit(&context, &batch, report).await?;
    let report = Report { locked_milliseconds: locks::milliseconds(locked), ..report };
    if options.ending == Ending::Stays {
        golden::record(options, Some(&batch.id))?;
    }
    Ok(report)
}

/// What the data transaction wrote, and what it keeps others from.
struct Wrote {
    written: BTreeMap<String, Written>,
    locks: Vec<Lock>,
    /// When the first lock was asked for.
    locked: Instant,
}

/// Makes the plan, once nothing speaks against a push; and marks what dead processes left behind.
async fn prepare(context: &Context<'_>, options: &Options<'_>) -> Result<(Plan, Vec<String>)> {
    guard::catalog_as_checked(context, options.catalog)?;
    let mut settled = Vec::new();
    if ledger::exists(options.client).await? {
        ledger::same_clinic(options.client, options.snapshot.manifest()).await?;
        if !options.dry_run && options.ending != Ending::Open {
            settled = ledger::settle(options.client).await?;
        }
    }
    Ok((make_plan(context).await?, settled))
}

/// Compares in a transaction that leaves no trace.
async fn make_plan(context: &Context<'_>) -> Result<Plan> {
    context.execute("begin").await?;
    let compared = async {
        let snapshot = filled::without(context, numbers::known(context).await?).await?;
        let context = &Context { snapshot: &snapshot, ..*context };
        let compared = compare::compare(context).await?;
        let empty = compare::empty_tables(context, &compared.tables).await?;
        anyhow::Ok((compared, empty))
    }
    .await;
    let ended = context.execute("rollback").await;
    // Where both fail, the first says why.
    let (compared, empty) = compared?;
    ended?;
    refusal::refuse(context, &compared)?;
    let manifest = context.manifest();
    plan::plan(context.clinic, manifest, context.catalog, &manifest.catalog_hash, &compared, &empty)
}

fn lock_timeout<'c>(context: &Context<'c>) -> &'c str {
    context.clinic.load.lock_timeout.as_deref().unwrap_or("10s")
}

async fn write(context: &Context<'_>, plan: &Plan, batch: &ledger::Batch) -> Result<Wrote> {
    context.execute(&format!("begin; {}", apply::settings(lock_timeout(context)))).await?;
    in_transaction(context, plan, batch).await
}

/// Writes everything, but for how the transaction begins and ends.
async fn in_transaction(context: &Context<'_>, plan: &Plan, batch: &ledger::Batch) -> Result<Wrote> {
    let lock_timeout = lock_timeout(context);
    let locked = Instant::now();
    guard::lock(context, plan, lock_timeout).await?;
    let snapshot = filled::without(context, numbers::reserved(context).await?).await?;
    let context = &Context { snapshot: &snapshot, ..*context };
    // What goes into an empty table goes there by itself: rows that clash there clash in the end too.
    let changed: Vec<&TableName> =
        plan.tables.iter().filter(|table| !table.direct).map(|table| &table.table).collect();
    let apply = async |crossed: &[Crossed]| apply::apply(context, plan, batch, crossed).await;
    let written = crossed::despite(context.client, context.catalog, &changed, apply).await?;
    let counts = counts::count(context, plan, batch, &written).await?;
    ledger::issues(context.client, batch, context.manifest()).await?;
    ledger::complete(context.client, batch, &counts).await?;
    ledger::note_shape(context.client, batch, &shape(context, plan)).await?;
    let locks = locks::held(context).await?;
    error::interrupt::check()?;
    Ok(Wrote { written, locks, locked })
}

/// What the tables are like whose rows this push wrote.
fn shape(context: &Context<'_>, plan: &Plan) -> BTreeMap<String, Shape> {
    let written = plan.tables.iter().map(|table| (&table.table, table.triggers_disabled));
    let golden = plan.golden.iter().map(|golden| (&golden.table, false));
    let entry = |name: &TableName| context.snapshot.entry(name).filter(|_| context.clinic.updates(name));
    let shape = |(name, triggers_disabled): (&TableName, bool)| {
        let table = &context.catalog.tables[name];
        let sent = entry(name).into_iter().flat_map(|entry| &entry.columns).map(|column| column.name.clone());
        let fills = context.snapshot.entry(name).is_some_and(|entry| entry.fills);
        let key = table.primary_key().to_vec();
        let columns = table.columns.iter().map(|column| column.name.clone()).collect();
        (name.to_string(), Shape { key, columns, sent: sent.collect(), fills, triggers_disabled })
    };
    golden.chain(written).map(shape).collect()
}

async fn commit(context: &Context<'_>, batch: &ledger::Batch, report: Report) -> Result<Report> {
    if let Err(error) = context.execute("commit").await {
        return match roll_back(context).await {
            true => Err(error.context(t!("push.nothing_written", batch = batch.id))),
            // The command was sent and nobody answered: only the server knows how it ended.
            false => {
                let hints = vec![t!("push.unknown_hint", clinic = context.clinic.name).into_owned()];
                let failure = Failure { hints, ..Failure::from_anyhow(&error) };
                let text = t!("push.unknown", batch = batch.id).into_owned();
                Err(anyhow::Error::from(failure).context(Begun { report, batch: batch.id.clone(), text }))
            }
        };
    }
    // The rows are there whatever happens now; the server frees the lock of a session that ends.
    let _ = context.execute("select pg_advisory_unlock_all()").await;
    Ok(report)
}

/// Rolls back and marks the batch as failed; false where the session is gone. The server then does the first by
/// itself, and the next push the second.
async fn roll_back(context: &Context<'_>) -> bool {
    let rolled_back = context.execute("rollback; select pg_advisory_unlock_all()").await.is_ok();
    // The batch stays `running` if this fails, and is settled by the next push.
    let _ = ledger::settle(context.client).await;
    rolled_back
}
