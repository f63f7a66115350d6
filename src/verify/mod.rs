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

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio_postgres::Client;

use crate::codec::TableCodec;
use crate::config::{Clinic, Project};
use crate::error::{self, Failure, Kind};
use crate::model::catalog::Catalog;
use crate::model::ident::TableName;
use crate::model::manifest::{SourceCount, TableEntry};
use crate::model::run::{Event, Observer, Stage};
use crate::pg::ledger;
use crate::snapshot::Snapshot;
use population::Population;

pub use both_sides::QueryReport;
pub use control::ControlReport;
pub use differences::{Difference, Kind as DifferenceKind};

/// What to verify and where.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub snapshot: &'a Snapshot,
    pub client: &'a Client,
    pub catalog: &'a Catalog,
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
    options.snapshot.verify_files()?;
    if !ledger::exists(options.client).await? {
        let clinic = &options.clinic.name;
        return Err(Failure::failed(t!("verify.no_ledger"))
            .hint(t!("verify.no_ledger_hint", clinic = clinic))
            .into());
    }
    execute(options.client, "begin transaction isolation level repeatable read; set local work_mem = '64MB'")
        .await?;
    let report = in_transaction(options, observer).await;
    execute(options.client, "rollback").await?;
    report
}

async fn in_transaction(options: &Options<'_>, observer: &dyn Observer) -> Result<Report> {
    let manifest = options.snapshot.manifest();
    let population = Population::read(options.client, manifest).await?;
    let mut tables = Vec::new();
    for entry in &manifest.tables {
        error::interrupt::check()?;
        let subject = entry.table.to_string();
        observer.event(&Event::Started { stage: Stage::Verify, subject: &subject, total: Some(entry.rows) });
        let report = table(options, &population, entry).await?;
        observer.event(&Event::Finished { stage: Stage::Verify, subject: &subject, rows: report.target });
        tables.push(report);
    }
    let sources = manifest
        .sources
        .iter()
        .map(|count| SourceReport { complete: complete(count), count: count.clone() })
        .collect();
    population.make_views(options).await?;
    Ok(Report {
        snapshot: manifest.id.clone(),
        tables,
        sources,
        controls: control::compare(options).await?,
        queries: both_sides::compare(options).await?,
    })
}

/// read = rejected + merged + imported + skipped + filtered (DESIGN §1).
fn complete(count: &SourceCount) -> bool {
    count.read == count.rejected + count.merged + count.imported + count.skipped + count.filtered
}

async fn table(options: &Options<'_>, population: &Population, entry: &TableEntry) -> Result<TableReport> {
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
    let tenanted = population.tenanted(table).unwrap_or_else(|| "false".to_owned());
    let (ours, (theirs, of_tenant)) = buckets::both(options, entry, &codec, &condition, &tenanted).await?;
    let unequal = ours.unequal(&theirs);
    let found = differences::find(options, entry, &codec, &condition, &unequal).await?;
    Ok(TableReport {
        table: entry.table.clone(),
        source: entry.rows + entry.rejected,
        rejected: entry.rejected,
        expected: entry.rows,
        target: theirs.count(),
        difference: i64::try_from(theirs.count())? - i64::try_from(entry.rows)?,
        equal: unequal.is_empty(),
        foreign: population.foreign(options.client, table, entry, of_tenant).await?,
        differences: found.listed,
        not_listed: found.not_listed,
    })
}

async fn execute(client: &Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(|error| error::postgres(&error))
}
