//! verify: proves by asking the target that it holds the snapshot, value for value, and says what differs.
//!
//! Each row's digest is computed twice, by the codec from the snapshot and by the server from its own bytes, and added
//! up in 256 buckets by the first byte of the key's digest (DESIGN §4). Equal buckets prove equal rows; only rows of
//! unequal buckets are listed, and only their columns compared.

mod both_sides;
mod buckets;
mod control;
mod differences;
mod population;

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use rust_i18n::t;
use serde::Serialize;
use tokio_postgres::Client;

use crate::codec::TableCodec;
use crate::config::{Clinic, Project};
use crate::error::{self, Failure, Kind};
use crate::model::catalog::{Catalog, Table};
use crate::model::ident::TableName;
use crate::model::manifest::{SourceCount, TableEntry};
use crate::model::run::{Event, Observer, Stage};
use crate::pg::{execute, ledger, numbers};
use crate::snapshot::Snapshot;
use crate::staging::Limits;
use buckets::Buckets;
use population::Population;

pub use both_sides::QueryReport;
pub use control::ControlReport;
pub use differences::{Cause, Difference, Kind as DifferenceKind};

/// A digest costs more than the planner believes, so that workers pay for themselves at once.
const BEGIN: &str = "begin transaction isolation level repeatable read; set local work_mem = '64MB'; \
     set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0.01";

/// What to verify and where.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub snapshot: &'a Snapshot,
    pub client: &'a Client,
    pub catalog: &'a Catalog,
    /// What DuckDB may use for `verify/*.sql` over the snapshot.
    pub limits: &'a Limits,
    /// Differing rows carry their values; for a terminal only.
    pub show_values: bool,
    /// At most so many differing rows are named per table.
    pub most: usize,
}

/// What was compared and found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub snapshot: String,
    pub tables: Vec<TableReport>,
    pub sources: Vec<SourceReport>,
    pub controls: Vec<ControlReport>,
    pub queries: Vec<QueryReport>,
}

/// One table, source against target.
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    pub table: TableName,
    /// Rows that the models made.
    pub source: u64,
    pub rejected: u64,
    /// `source - rejected`: rows of the snapshot.
    pub expected: u64,
    /// Rows of the clinic's batches that the target holds.
    pub target: u64,
    /// `target - expected`
    pub difference: i64,
    /// Every value of every row is equal.
    pub equal: bool,
    /// Rows of the clinic that no batch wrote, where the table has the tenant column.
    pub foreign: Option<u64>,
    pub differences: Vec<Difference>,
    /// Differing rows beyond those in `differences`.
    pub not_listed: u64,
}

/// One source: are all its records accounted for?
#[derive(Debug, Clone, Serialize)]
pub struct SourceReport {
    #[serde(flatten)]
    pub count: SourceCount,
    pub complete: bool,
    /// Of a source that no model reads: why that is meant, as clinic.toml says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused: Option<String>,
}

impl Report {
    /// Whether everything is equal and every record accounted for.
    pub fn is_clean(&self) -> bool {
        self.tables.iter().all(|table| table.equal)
            && self.sources.iter().all(|source| source.complete)
            && self.controls.iter().all(|control| control.equal)
            && self.queries.iter().all(|query| query.equal)
    }
}

/// Compares the snapshot with the target. Writes nothing to either; differences are in the report, not an error.
///
/// # Errors
/// Nothing was pushed; a snapshot that was changed; a type that cannot be compared ([`Kind::NotComparable`]).
pub async fn run(options: &Options<'_>, observer: &dyn Observer) -> Result<Report> {
    if !ledger::exists(options.client).await? {
        let clinic = &options.clinic.name;
        return Err(Failure::failed(t!("verify.no_ledger"))
            .hint(t!("verify.no_ledger_hint", clinic = clinic))
            .into());
    }
    execute(options.client, BEGIN).await?;
    let report = in_transaction(options, observer).await;
    execute(options.client, "rollback").await?;
    report
}

/// What the snapshot says: its tables' buckets, in their order, and its answers to `verify/*.sql`.
struct OurSide {
    buckets: Vec<Buckets>,
    answers: Vec<both_sides::Answer>,
}

/// A table of the snapshot beside the catalog's, what encodes its rows, and which of the target's rows are compared.
struct Compared<'a> {
    entry: &'a TableEntry,
    table: &'a Table,
    codec: TableCodec,
    /// The condition of its rows in the ledger, on `d`, if there are any, and in the table, on `t`.
    written: Option<String>,
    condition: String,
}

/// What the server says of the same, and of the control figures.
struct TheirSide {
    tables: Vec<TheirTable>,
    controls: Vec<ControlReport>,
    answers: Vec<both_sides::Answer>,
}

struct TheirTable {
    buckets: Buckets,
    foreign: Option<u64>,
    /// The table holds no rows but the clinic's.
    all_ours: bool,
    /// It was compared as a whole, since it should hold the snapshot's rows and no others.
    whole: bool,
}

async fn in_transaction(options: &Options<'_>, observer: &dyn Observer) -> Result<Report> {
    let snapshot = numbered(options).await?;
    let options = &Options { snapshot: &snapshot, ..*options };
    let manifest = options.snapshot.manifest();
    let population = Population::read(options.client, manifest).await?;
    let compared = manifest
        .tables
        .iter()
        .map(|entry| compared(options, &population, entry))
        .collect::<Result<Vec<_>>>()?;
    let (ours, mut theirs) = both(options, &population, &compared, observer).await?;
    if other_rows(&ours, &theirs) {
        theirs = their_side(options, &population.without_shortcut(), &compared, observer).await?;
    }
    let mut tables = Vec::new();
    for ((compared, ours), theirs) in compared.iter().zip(&ours.buckets).zip(theirs.tables) {
        tables.push(table_report(options, compared, ours, theirs).await?);
    }
    let sources = manifest
        .sources
        .iter()
        .map(|count| SourceReport {
            complete: complete(count),
            unused: unused(options.clinic, count),
            count: count.clone(),
        })
        .collect();
    Ok(Report {
        snapshot: manifest.id.clone(),
        tables,
        sources,
        controls: theirs.controls,
        queries: both_sides::compare(ours.answers, &theirs.answers),
    })
}

/// Whether a table that was compared as a whole is not the snapshot's: its other rows may be somebody else's.
fn other_rows(ours: &OurSide, theirs: &TheirSide) -> bool {
    ours.buckets.iter().zip(&theirs.tables).any(|(ours, theirs)| theirs.whole && *ours != theirs.buckets)
}

/// The snapshot with the numbers that the ledger knows for its new keys.
async fn numbered(options: &Options<'_>) -> Result<Snapshot> {
    let (snapshot, mut numbers) = (options.snapshot, BTreeMap::new());
    let (clinic, product) = (snapshot.manifest().clinic.as_str(), snapshot.manifest().product.as_str());
    for entry in snapshot.with_new_keys() {
        let Some(key) = entry.key.first() else { continue };
        let table = numbers::Table { client: options.client, clinic, product, name: &entry.table, key };
        numbers.insert(entry.table.clone(), table.known(snapshot.records(entry)?).await?);
    }
    Ok(snapshot.numbered(options.catalog, numbers))
}

/// Reads the snapshot while the server reads its tables.
async fn both(
    options: &Options<'_>,
    population: &Population,
    tables: &[Compared<'_>],
    observer: &dyn Observer,
) -> Result<(OurSide, TheirSide)> {
    std::thread::scope(|scope| {
        let ours = scope.spawn(|| our_side(options, tables));
        let theirs = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(their_side(options, population, tables, observer))
        });
        // A snapshot that was changed is the better news of two.
        let ours = ours.join().map_err(|_| anyhow!("the thread that reads the snapshot panicked"))??;
        Ok((ours, theirs?))
    })
}

fn our_side(options: &Options<'_>, tables: &[Compared<'_>]) -> Result<OurSide> {
    options.snapshot.verify_files()?;
    let (mut buckets, mut longest) = (Vec::new(), 0);
    for compared in tables {
        let (of_table, line) = buckets::of_snapshot(options.snapshot, compared.entry, &compared.codec)?;
        buckets.push(of_table);
        longest = longest.max(line);
    }
    Ok(OurSide { buckets, answers: both_sides::ask_snapshot(options, longest)? })
}

async fn their_side(
    options: &Options<'_>,
    population: &Population,
    tables: &[Compared<'_>],
    observer: &dyn Observer,
) -> Result<TheirSide> {
    let mut read = Vec::new();
    for Compared { entry, table, codec, condition, .. } in tables {
        error::interrupt::check()?;
        let subject = entry.table.to_string();
        observer.event(&Event::Started { stage: Stage::Verify, subject: &subject, total: Some(entry.rows) });
        let tenanted = population.tenanted(table).unwrap_or_else(|| "false".to_owned());
        let (all, with_tenant) = population.count(options.client, table, entry).await?;
        let whole = all == entry.rows && population.holds_all(entry);
        let condition = if whole { "true" } else { condition };
        let (buckets, of_tenant) = buckets::of_server(options, entry, codec, condition, &tenanted).await?;
        let ours = buckets.count();
        observer.event(&Event::Finished { stage: Stage::Verify, subject: &subject, rows: ours });
        let foreign = with_tenant.map(|rows| rows - of_tenant);
        read.push(TheirTable { buckets, foreign, all_ours: all == ours, whole });
    }
    let with_tables = population::with_tables(tables, &read);
    Ok(TheirSide {
        tables: read,
        controls: control::compare(options, &with_tables).await?,
        answers: both_sides::ask_target(options, &with_tables).await?,
    })
}

/// read = rejected + merged + imported + skipped + filtered (DESIGN §1).
fn complete(count: &SourceCount) -> bool {
    count.read == count.rejected + count.merged + count.imported + count.skipped + count.filtered
}

fn unused(clinic: &Clinic, count: &SourceCount) -> Option<String> {
    clinic.sources.get(&count.source).filter(|_| count.unread)?.unused.clone()
}

fn compared<'a>(
    options: &Options<'a>,
    population: &Population,
    entry: &'a TableEntry,
) -> Result<Compared<'a>> {
    let Some(table) = options.catalog.table(&entry.table) else {
        return Err(Failure::failed(t!("verify.no_table", table = entry.table))
            .hint(t!("verify.no_table_hint"))
            .into());
    };
    let codec = TableCodec::of_entry(table, entry).map_err(|(column, reason)| {
        Failure::new(
            Kind::NotComparable,
            t!("verify.unsupported", table = entry.table, column = column, reason = reason),
        )
    })?;
    let condition = population.condition(entry, &codec);
    Ok(Compared { entry, table, codec, written: population.written(entry), condition })
}

async fn table_report(
    options: &Options<'_>,
    compared: &Compared<'_>,
    ours: &Buckets,
    theirs: TheirTable,
) -> Result<TableReport> {
    let entry = compared.entry;
    let unequal = ours.unequal(&theirs.buckets);
    let found = differences::find(options, compared, &unequal).await?;
    let target = theirs.buckets.count();
    Ok(TableReport {
        table: entry.table.clone(),
        source: entry.rows + entry.rejected,
        rejected: entry.rejected,
        expected: entry.rows,
        target,
        difference: i64::try_from(target)? - i64::try_from(entry.rows)?,
        equal: unequal.is_empty(),
        foreign: theirs.foreign,
        differences: found.listed,
        not_listed: found.not_listed,
    })
}
