//! rollback: a batch taken back, so that every table holds what it held.
//!
//! The ledger says which rows a batch wrote and what it left them as, and keeps those that it changed or deleted as they were.
//! A rollback compares that with the tables, says what it would do and what speaks against it ([`Plan`]), and does it in one
//! transaction. It is a new state of the ledger, not an edit of it: the batch stays, as `rolled_back`.

mod afterwards;
mod apply;
mod batch;
mod built;
mod conflict;
pub mod left;
mod others;
mod plan;
mod shared;
mod tenant;
mod trigger;
mod work;

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::config::Clinic;
use crate::error::{self, Failure};
use crate::model::catalog::{Catalog, ConstraintKind};
use crate::model::ident::{TableName, literal};
use crate::model::manifest::Tenant;
use crate::pg::crossed::{self, Crossed};
use crate::pg::triggers::Running;
use crate::pg::{After, execute, ledger};
use apply::Deed;
use batch::numbers;
use work::Work;

pub use batch::{Batch, again, to_redo};
pub use conflict::{Conflict, ConflictKind};
pub use others::Others;
pub use plan::{Plan, TablePlan};
pub use trigger::Elsewhere;

/// What to do with rows that people changed since, or that others' rows point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// Touch nothing where there is one.
    Refuse,
    /// Leave them, and what they need.
    Keep,
    /// Take them back too, as far as foreign keys let us; what they were is kept in the ledger.
    Force,
}

/// What to take back.
pub struct Options<'a> {
    pub clinic: &'a Clinic,
    pub client: &'a Client,
    pub catalog: &'a Catalog,
    pub which: Which<'a>,
    pub edited: Edited,
    /// Stop after the plan; nothing is written or locked.
    pub dry_run: bool,
    /// The plan that a person looked at: another one is refused.
    pub expected_plan: Option<String>,
    /// Rows that are named for each conflict of a table.
    pub most: usize,
}

/// Which batches to take back. One is named by its ULID, the beginning of it, or `last`.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// One on which no other was built.
    Only(&'a str),
    /// One with those that were built on it.
    Cascade(&'a str),
    /// All that stand, and only if every row that would be deleted has the clinic's value in the tenant column, in tables
    /// that have one.
    Every(Option<&'a Tenant>),
}

/// What a rollback did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub plan: Plan,
    /// The batches that were taken back, the newest first; none in a dry run.
    pub rolled_back: Vec<String>,
}

/// Plans a rollback and, unless it is a dry run, carries it out.
///
/// # Errors
/// A batch that does not stand or on which others were built; rows that people changed, where these are to be respected;
/// triggers that the role may not disable; a plan other than the expected one; anything PostgreSQL refuses. In every such
/// case the target is as before.
pub async fn run(options: &Options<'_>) -> Result<Report> {
    Ok(run_looking(options, async |_: &After| Ok(())).await?.0)
}

/// The same; `look` is shown the tables as they will be, before anything is written, within the transaction.
///
/// # Errors
/// As [`run`], and what `look` meets.
pub async fn run_looking<T>(
    options: &Options<'_>,
    look: impl AsyncFnOnce(&After) -> Result<T>,
) -> Result<(Report, T)> {
    if !options.dry_run && ledger::exists(options.client).await? {
        ledger::settle(options.client).await?;
        // What is refused anyway changes nothing, and a role that may write rows need not be able to make tables.
        batch::chosen(options).await?;
        if ledger::version(options.client).await? < ledger::VERSION {
            ledger::migrate(options.client).await?;
        }
    }
    let timeout = options.clinic.load.lock_timeout.as_deref().unwrap_or("10s");
    execute(options.client, &format!("begin; {}", settings(timeout))).await?;
    match in_transaction(options, timeout, look).await {
        Ok((plan, seen)) if options.dry_run => {
            execute(options.client, "rollback").await?;
            Ok((Report { plan, rolled_back: Vec::new() }, seen))
        }
        Ok((plan, seen)) => {
            commit(options, &plan).await?;
            let rolled_back = plan.batches.iter().map(|batch| batch.id.clone()).collect();
            Ok((Report { plan, rolled_back }, seen))
        }
        Err(error) => {
            let _ = execute(options.client, "rollback").await;
            Err(if options.dry_run { error } else { error.context(t!("rollback.nothing_touched")) })
        }
    }
}

/// Digests cost more than the planner believes, so that workers pay for themselves at once.
fn settings(lock_timeout: &str) -> String {
    format!(
        "set local lock_timeout = {}; set local work_mem = '128MB'; set local parallel_setup_cost = 0; \
         set local parallel_tuple_cost = 0.01; set local synchronous_commit = on",
        literal(lock_timeout)
    )
}

async fn in_transaction<T>(
    options: &Options<'_>,
    timeout: &str,
    look: impl AsyncFnOnce(&After) -> Result<T>,
) -> Result<(Plan, T)> {
    let batches = batch::chosen(options).await?;
    let mut names: Vec<TableName> =
        batches.iter().flat_map(Batch::tables).map(|name| TableName::from(name.as_str())).collect();
    names.sort();
    names.dedup();
    let names = options.catalog.dependency_order(&names);
    let batches = if options.dry_run { batches } else { locked(options, batches, &names, timeout).await? };
    let mut works = Vec::new();
    for (place, table) in names.into_iter().enumerate() {
        works.push(Work::new(place, table, &batches, options.catalog)?);
    }
    compare(options, &batches, &mut works).await?;
    tenant::prove(options, &works).await?;
    let mut disabled = BTreeMap::new();
    for work in &works {
        if work.whole || work.counts.deletes + work.restores() > 0 {
            disabled.insert(work.table.clone(), trigger::to_disable(options.client, work).await?);
        }
    }
    let plan = plan(options, &batches, &works, &disabled).await?;
    let seen = look(&afterwards::of(&works, &plan.others)).await?;
    if options.dry_run {
        return Ok((plan, seen));
    }
    refuse(options, &plan)?;
    let (client, catalog, edited) = (options.client, options.catalog, options.edited);
    let tables: Vec<&TableName> = works.iter().map(|work| &work.table).collect();
    let (batches, works, disabled) = (&batches, &works, &disabled);
    let back = async |crossed: &[Crossed]| {
        let deed = Deed { client, catalog, batches, works, disabled, crossed, edited };
        deed.do_it(&plan).await
    };
    crossed::despite(client, catalog, &tables, back).await?;
    error::interrupt::check()?;
    Ok((plan, seen))
}

/// Locks the batches, so that nobody else takes them back meanwhile, and the tables, so that nobody writes them or comes to
/// refer to their rows; reading goes on. Then looks once more which batches they are.
async fn locked(
    options: &Options<'_>,
    batches: Vec<Batch>,
    names: &[TableName],
    timeout: &str,
) -> Result<Vec<Batch>> {
    let sql = format!("select 1 from trasvase.batch where number in ({}) for update", numbers(&batches));
    execute(options.client, &sql).await?;
    for table in names.iter().filter(|name| options.catalog.table(name).is_some()) {
        let sql = format!("lock table {} in exclusive mode", table.quoted());
        match options.client.batch_execute(&sql).await {
            Ok(()) => {}
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                return Err(Failure::failed(t!("rollback.locked", table = table, timeout = timeout)).into());
            }
            Err(error) => return Err(error::postgres(&error)),
        }
    }
    let now = batch::chosen(options).await?;
    if now.iter().map(|batch| batch.number).ne(batches.iter().map(|batch| batch.number)) {
        return Err(Failure::failed(t!("rollback.moved")).into());
    }
    Ok(now)
}

/// Compares what the ledger says with what the tables hold.
async fn compare(options: &Options<'_>, batches: &[Batch], works: &mut [Work<'_>]) -> Result<()> {
    let client = options.client;
    whole(options, batches, works).await?;
    let version = ledger::version(client).await?;
    for work in works.iter_mut().filter(|work| !work.whole) {
        error::interrupt::check()?;
        work.stage(options, batches, version).await?;
    }
    conflict::mark(client, options.catalog, works, options.edited, batches.len() > 1).await?;
    for work in works {
        work.count(client).await?;
    }
    Ok(())
}

/// Finds the tables that can be emptied as a whole: nothing but such tables, or ones without rows, refers to them.
async fn whole(options: &Options<'_>, batches: &[Batch], works: &mut [Work<'_>]) -> Result<()> {
    let [batch] = batches else { return Ok(()) };
    if batch.left {
        return Ok(());
    }
    let total = batch.tables().map(|table| batch.count(table, "inserted")).sum();
    for work in works.iter_mut() {
        let known = !batch.mixes(&work.table.to_string());
        work.whole = known && work.is_whole(options.client, batch.number, total).await?;
    }
    loop {
        let mut not = Vec::new();
        for work in works.iter().filter(|work| work.whole) {
            if !referred_to_by_whole(options, works, &work.table).await? {
                not.push(work.place);
            }
        }
        if not.is_empty() {
            return Ok(());
        }
        for work in works.iter_mut().filter(|work| not.contains(&work.place)) {
            work.whole = false;
        }
    }
}

async fn referred_to_by_whole(options: &Options<'_>, works: &[Work<'_>], table: &TableName) -> Result<bool> {
    for (child, constraint) in options.catalog.foreign_keys() {
        let refers =
            matches!(&constraint.kind, ConstraintKind::ForeignKey { references, .. } if references == table);
        if !refers || works.iter().any(|work| work.table == *child && work.whole) {
            continue;
        }
        let live = &options.catalog.tables[child];
        let sql = format!("select exists (select 1 from {})", child.quoted());
        let row = options.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        if row.get(0) || !live.owned || live.partitioned || live.partition_child {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn plan(
    options: &Options<'_>,
    batches: &[Batch],
    works: &[Work<'_>],
    disabled: &BTreeMap<TableName, Vec<Running>>,
) -> Result<Plan> {
    let mut tables = Vec::new();
    for work in works.iter().rev() {
        let triggers = disabled.get(&work.table).into_iter().flatten();
        let mut conflicts = conflict::list_of(options.client, work, options.most).await?;
        let lost = batches.iter().map(|batch| batch.lost(&work.table.to_string())).sum();
        conflicts.extend(Conflict::lost(lost));
        tables.push(TablePlan {
            table: work.table.clone(),
            deletes: work.counts.deletes,
            updates: work.counts.updates,
            inserts: work.counts.inserts,
            gone: work.counts.gone,
            emptied: work.whole,
            conflicts,
            triggers: triggers.map(|trigger| trigger.name.clone()).collect(),
        });
    }
    let elsewhere = trigger::elsewhere(options.client, options.catalog, batches, works).await?;
    let others = match options.edited {
        Edited::Force => others::find(options.client, options.catalog, works).await?,
        Edited::Refuse | Edited::Keep => Vec::new(),
    };
    Plan::new(batches.iter().rev().cloned().collect(), tables, elsewhere, others)
}

fn refuse(options: &Options<'_>, plan: &Plan) -> Result<(), Failure> {
    if let Some(expected) = &options.expected_plan
        && *expected != plan.id
    {
        return Err(Failure::failed(t!("rollback.plan_moved", expected = expected, found = plan.id)));
    }
    nothing_in_the_way(options, plan)
}

/// Refuses a plan with conflicts where people's rows are to be respected.
///
/// # Errors
/// What is in the way, by table and kind.
pub fn nothing_in_the_way(options: &Options<'_>, plan: &Plan) -> Result<(), Failure> {
    match options.edited == Edited::Refuse && plan.conflicts() > 0 {
        true => Err(in_the_way(options, plan)),
        false => Ok(()),
    }
}

fn in_the_way(options: &Options<'_>, plan: &Plan) -> Failure {
    let lines = plan.tables.iter().flat_map(|table| table.conflicts.iter().map(move |one| (table, one)));
    // Without keys, which the source may have made of what it knows people by: errors go into logs.
    let lines = lines.map(|(table, one)| format!("{} {} {}", table.table, one.rows, told(one)));
    let lines = lines.collect::<Vec<_>>().join("; ");
    let clinic = &options.clinic.name;
    let again = match options.which {
        Which::Only(batch) => format!("trasvase rollback {clinic} {batch}"),
        Which::Cascade(batch) => format!("trasvase rollback {clinic} {batch} --cascade"),
        Which::Every(_) => format!("trasvase clean {clinic}"),
    };
    Failure::findings(t!("rollback.conflicts", rows = plan.conflicts(), conflicts = lines))
        .hint(t!("rollback.which_hint", again = again))
        .hint(t!("rollback.keep_hint", again = again))
        .hint(t!("rollback.force_hint", again = again))
}

/// What a conflict is, in words.
pub fn told(conflict: &Conflict) -> std::borrow::Cow<'static, str> {
    match conflict.kind {
        ConflictKind::Edited => t!("rollback.edited"),
        ConflictKind::Deleted => t!("rollback.deleted"),
        ConflictKind::Occupied => t!("rollback.occupied"),
        ConflictKind::Referred => t!("rollback.referred"),
        ConflictKind::Parent => t!("rollback.parent"),
        ConflictKind::Purged => t!("rollback.was_purged"),
        ConflictKind::Lost => t!("rollback.lost"),
        ConflictKind::Shared => {
            t!("rollback.shared", constraints = conflict.constraints.join(", "))
        }
    }
}

async fn commit(options: &Options<'_>, plan: &Plan) -> Result<()> {
    let Err(error) = execute(options.client, "commit").await else { return Ok(()) };
    if execute(options.client, "rollback").await.is_ok() {
        return Err(error.context(t!("rollback.nothing_touched")));
    }
    // The command was sent and nobody answered: only the server knows how it ended.
    let batch = plan.batches.last().map_or("last", |batch| &batch.id);
    Err(Failure::failed(t!("rollback.unanswered", batch = batch))
        .hint(format!("trasvase rollback {} {batch} --dry-run", options.clinic.name))
        .into())
}
