//! verify: proves by asking the target that it holds the snapshot, value for value, and says what differs.
//!
//! Each row's digest is computed twice, by the codec from the snapshot and by the server from its own bytes, and added
//! up in 256 buckets by the end of its key (DESIGN §4). Equal buckets prove equal rows; only rows of unequal buckets
//! are listed, and only their columns compared. Beside that, the target's own rules are asked again (`relations`).

mod accounts;
mod books;
mod both_sides;
mod buckets;
mod cause;
mod control;
mod difference;
mod differences;
mod fixes;
mod foreseen;
mod months;
mod ours;
mod population;
mod reading;
mod relations;
mod report;
mod sample;
mod standing;
mod target_rows;
mod vanished;

use std::collections::{BTreeMap, HashSet};

use anyhow::{Result, anyhow};
use rust_i18n::t;
use tokio_postgres::Client;

use crate::codec::TableCodec;
use crate::config::{Clinic, Project};
use crate::error::{self, Failure, Kind};
use crate::model::catalog::{Catalog, Table};
use crate::model::manifest::TableEntry;
use crate::model::proof::Held;
use crate::model::run::{Event, Observer, Stage};
use crate::pg::{Lag, execute, ledger, numbers, origins};
use crate::snapshot::Snapshot;
use crate::staging::Limits;
use buckets::Buckets;
use difference::Found;
use ours::OurTable;
use population::Population;

pub use accounts::SourceReport;
pub use books::Books;
pub use both_sides::QueryReport;
pub use cause::{ByBatch, Cause};
pub use control::ControlReport;
pub use difference::{Count, Difference, Kind as DifferenceKind};
pub use fixes::{FixReport, Fixes};
pub use months::{Month, MonthReport};
pub use relations::{Relation, RelationReport};
pub use report::{Report, TableReport};
pub use sample::{SampleReport, SampledColumn};

/// A digest costs more than the planner believes, so that workers pay for themselves at once.
const BEGIN: &str = "begin transaction isolation level repeatable read; set local work_mem = '64MB'; \
     set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0.01";

/// The same inside a transaction that is the caller's: it stays as it was.
const BEGIN_WITHIN: &str = "savepoint trasvase_verify; set local work_mem = '64MB'; \
     set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0.01";
const END_WITHIN: &str = "rollback to savepoint trasvase_verify; release savepoint trasvase_verify";

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
    /// Only rows that batches after this one wrote, given by the beginning of its id.
    pub since: Option<&'a str>,
    /// So many rows of each table are shown side by side.
    pub sample: usize,
    /// Of a replica that is read in the target's place: how far behind it is.
    pub replica: Option<Lag>,
    /// The client is in a transaction whose rows are the ones to compare.
    pub within: bool,
}

/// Compares the snapshot with the target. Writes nothing to either; differences are in the report and in the books, not
/// an error.
///
/// # Errors
/// Nothing was pushed; a snapshot that was changed; a type that cannot be compared ([`Kind::NotComparable`]).
pub async fn run(options: &Options<'_>, mut books: Books<'_>, observer: &dyn Observer) -> Result<Report> {
    if !ledger::exists(options.client).await? {
        let clinic = &options.clinic.name;
        return Err(Failure::failed(t!("verify.no_ledger"))
            .hint(t!("verify.no_ledger_hint", clinic = clinic))
            .into());
    }
    let (begin, end) = if options.within { (BEGIN_WITHIN, END_WITHIN) } else { (BEGIN, "rollback") };
    let clinic = options.clinic.for_rows_of(options.snapshot.manifest());
    let options = &Options { clinic: &clinic, replica: options.replica.clone(), ..*options };
    execute(options.client, begin).await?;
    let report = in_transaction(options, &mut books, observer).await;
    execute(options.client, end).await?;
    let fixes = match books.fixes {
        Some(fixes) if report.is_ok() => fixes.finish(options.snapshot.id())?,
        _ => None,
    };
    report.map(|report| Report { fixes, ..report })
}

/// What the target holds of the snapshot's tables; of the snapshot only the manifest is read. Writes nothing.
///
/// # Errors
/// A table or a column that is not there any more; a type that cannot be compared ([`Kind::NotComparable`]).
pub async fn held(options: &Options<'_>) -> Result<Vec<Held>> {
    execute(options.client, BEGIN).await?;
    let held = held_in_transaction(options).await;
    execute(options.client, "rollback").await?;
    held
}

async fn held_in_transaction(options: &Options<'_>) -> Result<Vec<Held>> {
    let snapshot =
        options.snapshot.without(&origins::filled(options.client, options.snapshot.manifest()).await?);
    let manifest = snapshot.manifest();
    let population = Population::read(options.client, manifest, None).await?;
    let mut held = Vec::new();
    for entry in &manifest.tables {
        error::interrupt::check()?;
        let Compared { codec, condition, .. } = compared(options, &population, entry).await?;
        let (buckets, _) = buckets::of_server(options, entry, &codec, &condition, None).await?;
        held.push(Held { table: entry.table.clone(), rows: buckets.count(), digest: buckets.digest() });
    }
    Ok(held)
}

/// What the snapshot says: its tables, in their order, and its answers to `verify/*.sql`.
struct OurSide {
    tables: Vec<OurTable>,
    answers: Vec<both_sides::Answer>,
}

/// A table of the snapshot beside the catalog's, what encodes its rows, and which of the target's rows are compared.
struct Compared<'a> {
    entry: &'a TableEntry,
    table: &'a Table,
    codec: TableCodec,
    /// The condition of its rows in the table, on `t`.
    condition: String,
    /// The condition of rows with the clinic's value in the tenant column, if there is one.
    tenanted: Option<String>,
    /// The keys of the rows that are compared, where not all are.
    wanted: Option<HashSet<String>>,
    /// Its foreign keys, and those that clinic.toml declares.
    references: Vec<relations::Reference>,
}

/// What the server says of the tables.
struct TheirSide {
    tables: Vec<TheirTable>,
    figures: Figures,
}

/// What it says of the clinic's rows as a whole.
struct Figures {
    controls: Vec<ControlReport>,
    answers: Vec<both_sides::Answer>,
}

struct TheirTable {
    buckets: Buckets,
    foreign: Option<u64>,
    /// The table holds no rows but the clinic's.
    all_ours: bool,
    /// It was read as it is, since it should hold the snapshot's rows and hardly any others.
    whole: bool,
    /// No row of it turned out to be somebody else's after the figures were made.
    figures_stand: bool,
}

impl TheirTable {
    /// Notes that rows with these keys, which were counted as ours, are somebody else's.
    async fn others(&mut self, options: &Options<'_>, compared: &Compared<'_>, keys: &[&str]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        self.all_ours = false;
        let (Some(foreign), Some(tenanted)) = (&mut self.foreign, &compared.tenanted) else { return Ok(()) };
        let of_key = compared.codec.key_among_sql("t", "$1::text[]");
        let table = compared.entry.table.quoted();
        let sql = format!("select count(*) from {table} t where {of_key} and {tenanted}");
        let row = options.client.query_one(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
        *foreign += u64::try_from(row.get::<_, i64>(0))?;
        Ok(())
    }
}

async fn in_transaction(
    options: &Options<'_>,
    books: &mut Books<'_>,
    observer: &dyn Observer,
) -> Result<Report> {
    let snapshot = numbered(options).await?;
    let options = &Options { snapshot: &snapshot, replica: options.replica.clone(), ..*options };
    let manifest = options.snapshot.manifest();
    let population = Population::read(options.client, manifest, options.since).await?;
    let mut tables = Vec::new();
    for entry in &manifest.tables {
        tables.push(compared(options, &population, entry).await?);
    }
    let (ours, mut theirs) = both(options, &population, &tables, books, observer).await?;
    let mut report = Report {
        snapshot: manifest.id.clone(),
        since: options.since.map(str::to_owned),
        replica: options.replica.clone(),
        sources: accounts::sources(options).await?,
        ..Report::default()
    };
    let mut left_out = foreseen::left_out(options, &tables).await?;
    if let Some(fixes) = &mut books.fixes {
        fixes.begin(&tables);
    }
    let mut found = Vec::new();
    for ((compared, ours), theirs) in tables.iter().zip(&ours.tables).zip(&mut theirs.tables) {
        let all_ours = theirs.all_ours;
        let of_table = (compared, &population);
        found.push(differences::find(options, of_table, ours, theirs, books, &mut left_out).await?);
        report.sample.extend(sample::compare(options, compared, &ours.sample).await?);
        // Figures were made of rows that turned out to be somebody else's.
        theirs.figures_stand = all_ours == theirs.all_ours;
    }
    let vanished = vanished::look(options, &tables, &found).await?;
    let mut changes = Vec::new();
    for (place, (compared, mut found)) in tables.iter().zip(found).enumerate() {
        let to = (&mut found, &mut *books);
        differences::find_extra(options, (compared, &population), &vanished, to, &mut left_out).await?;
        let sides = (&ours.tables[place], &theirs.tables[place]);
        // Those that the snapshot has are told one by one.
        let told = found.counts.get(&(DifferenceKind::Kept, Some(Cause::TakenBack))).copied();
        let left = population.count_left(options.client, compared.entry, &compared.codec).await?;
        let left = left.saturating_sub(told.unwrap_or_default());
        // Of rows that share a key only one is looked at.
        changes.push(found.doubled.is_empty().then(|| std::mem::take(&mut found.months)));
        let table = table_report(options, (compared, &population), sides, found)?;
        report.tables.push(TableReport { left, ..table });
    }
    if theirs.tables.iter().any(|table| !table.figures_stand) {
        theirs.figures = figures(options, &tables, &theirs.tables).await?;
    }
    // Of a part of the rows nobody knows whether a record's others are left out too.
    if options.since.is_none() {
        accounts::leave_out(&mut report.sources, &left_out.records(options, &tables)?);
    }
    report.relations =
        relations::compare(options, &population, &asked(options, &tables, &ours, &theirs, &report)).await?;
    for (place, ours) in ours.tables.into_iter().enumerate() {
        let (Some(months), rows) = (ours.months, ours.buckets.count()) else { continue };
        let theirs = (&theirs.tables[place], changes[place].as_ref());
        report.months.push(months::compare(options, &tables[place], (months, rows), theirs).await?);
    }
    report.controls = theirs.figures.controls;
    report.queries = both_sides::compare(ours.answers, &theirs.figures.answers);
    Ok(report)
}

/// The tables, with what differs in them.
fn asked<'a>(
    options: &Options<'_>,
    tables: &'a [Compared<'a>],
    ours: &'a OurSide,
    theirs: &'a TheirSide,
    report: &'a Report,
) -> Vec<relations::Asked<'a>> {
    let sides = ours.tables.iter().zip(&theirs.tables).zip(&report.tables);
    let asked = |(compared, ((ours, theirs), report)): (
        &'a Compared<'a>,
        ((&'a OurTable, &'a TheirTable), &'a TableReport),
    )| {
        let all_known = report.equal || report.not_listed == 0 && !report.differences.is_empty();
        // The snapshot's other rows are not those of the batches that were asked for.
        let differing = (all_known && options.since.is_none()).then_some(report.differences.as_slice());
        relations::Asked { compared, proven: &ours.proven, theirs, differing }
    };
    tables.iter().zip(sides).map(asked).collect()
}

/// The snapshot with the numbers that the ledger knows for its new keys, and without columns that another origin filled in.
async fn numbered(options: &Options<'_>) -> Result<Snapshot> {
    let (snapshot, mut numbers) = (options.snapshot, BTreeMap::new());
    let (clinic, product) = (snapshot.manifest().clinic.as_str(), snapshot.manifest().product.as_str());
    for entry in snapshot.with_new_keys() {
        let Some(key) = entry.key.first() else { continue };
        let table = numbers::Table { client: options.client, clinic, product, name: &entry.table, key };
        numbers.insert(entry.table.clone(), table.known(snapshot.records(entry)?).await?);
    }
    let filled = origins::filled(options.client, snapshot.manifest()).await?;
    let numbered = snapshot.numbered(options.catalog, numbers);
    Ok(if filled.is_empty() { numbered } else { numbered.without(&filled) })
}

/// Reads the snapshot while the server reads its tables. What an earlier reading gave is taken from the books, and what this
/// one gives is kept there.
async fn both(
    options: &Options<'_>,
    population: &Population,
    tables: &[Compared<'_>],
    books: &Books<'_>,
    observer: &dyn Observer,
) -> Result<(OurSide, TheirSide)> {
    let name = reading::Name::of(options, population, tables)?;
    let kept = match &name {
        Some(name) if options.sample == 0 => books.reading(name, tables)?,
        _ => None,
    };
    let keeps = kept.is_none();
    let (ours, theirs) = std::thread::scope(|scope| {
        let ours = scope.spawn(|| our_side(options, population, tables, kept));
        let theirs = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(their_side(options, population, tables, observer))
        });
        // A snapshot that was changed is the better news of two.
        let ours = ours.join().map_err(|_| anyhow!("the thread that reads the snapshot panicked"))??;
        anyhow::Ok((ours, theirs?))
    })?;
    if let Some(name) = name.filter(|_| keeps) {
        books.keep_reading(&name, &ours)?;
    }
    Ok((ours, theirs))
}

fn our_side(
    options: &Options<'_>,
    population: &Population,
    tables: &[Compared<'_>],
    kept: Option<reading::Kept>,
) -> Result<OurSide> {
    options.snapshot.verify_files()?;
    let (kept, known) = kept.map(|kept| (kept.tables, kept.answers)).unzip();
    std::thread::scope(|scope| {
        // What is asked of all rows has no answer for some.
        let asked = scope.spawn(|| match options.since {
            None => both_sides::ask_snapshot(options, &known.unwrap_or_default()),
            Some(_) => Ok(Vec::new()),
        });
        let mut keys = relations::Keys::new(population.days());
        let read =
            |compared: &Compared<'_>| ours::read(options, compared, compared.wanted.as_ref(), &mut keys);
        let tables = kept.map_or_else(|| tables.iter().map(read).collect::<Result<Vec<_>>>(), Ok)?;
        let answers = asked.join().map_err(|_| anyhow!("the thread that asks the snapshot panicked"))??;
        Ok(OurSide { tables, answers })
    })
}

async fn their_side(
    options: &Options<'_>,
    population: &Population,
    tables: &[Compared<'_>],
    observer: &dyn Observer,
) -> Result<TheirSide> {
    let mut read = Vec::new();
    for compared in tables {
        error::interrupt::check()?;
        let (entry, subject) = (compared.entry, compared.entry.table.to_string());
        observer.event(&Event::Started { stage: Stage::Verify, subject: &subject, total: Some(entry.rows) });
        let table = their_table(options, population, compared).await?;
        let rows = table.buckets.count();
        observer.event(&Event::Finished { stage: Stage::Verify, subject: &subject, rows });
        read.push(table);
    }
    let figures = figures(options, tables, &read).await?;
    Ok(TheirSide { tables: read, figures })
}

/// A table's buckets. Where a batch filled it whole it is read as it is at once, and once more only if it then turns out to
/// hold rows of others.
async fn their_table(
    options: &Options<'_>,
    population: &Population,
    compared: &Compared<'_>,
) -> Result<TheirTable> {
    let Compared { entry, codec, condition, tenanted, .. } = compared;
    let tenanted = tenanted.as_deref();
    if population.filled(entry) {
        let (buckets, _) = buckets::of_server(options, entry, codec, "true", None).await?;
        if population.holds_all(entry, buckets.count()) {
            let foreign = tenanted.map(|_| 0);
            return Ok(TheirTable { buckets, foreign, all_ours: true, whole: true, figures_stand: true });
        }
    }
    let (all, with_tenant) = population.count(options.client, entry, tenanted).await?;
    let (buckets, of_tenant) = buckets::of_server(options, entry, codec, condition, tenanted).await?;
    let foreign = with_tenant.zip(of_tenant).map(|(rows, of_tenant)| rows - of_tenant);
    let all_ours = all == buckets.count();
    Ok(TheirTable { buckets, foreign, all_ours, whole: false, figures_stand: true })
}

async fn figures(options: &Options<'_>, tables: &[Compared<'_>], theirs: &[TheirTable]) -> Result<Figures> {
    if options.since.is_some() {
        return Ok(Figures { controls: Vec::new(), answers: Vec::new() });
    }
    let with_tables = population::with_tables(tables, theirs);
    Ok(Figures {
        controls: control::compare(options, &with_tables).await?,
        answers: both_sides::ask_target(options, &with_tables).await?,
    })
}

async fn compared<'a>(
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
    months::check(options, entry, table)?;
    let wanted = match options.since {
        Some(_) => Some(population.keys(options.client, entry).await?),
        None => None,
    };
    let condition = population.condition(entry, &codec);
    let tenanted = population.tenanted(entry, table, &codec);
    let references = relations::references(options, entry, table)?;
    Ok(Compared { entry, table, codec, condition, tenanted, wanted, references })
}

fn table_report(
    options: &Options<'_>,
    (compared, population): (&Compared<'_>, &Population),
    (ours, theirs): (&OurTable, &TheirTable),
    found: Found,
) -> Result<TableReport> {
    let entry = compared.entry;
    let (expected, target) = (ours.buckets.count(), theirs.buckets.count());
    Ok(TableReport {
        table: entry.table.clone(),
        source: entry.rows + entry.rejected,
        rejected: entry.rejected,
        expected,
        target,
        difference: i64::try_from(target)? - i64::try_from(expected)?,
        equal: ours.buckets.unequal(&theirs.buckets).is_empty(),
        expected_digest: ours.buckets.digest(),
        target_digest: theirs.buckets.digest(),
        foreign: theirs.foreign,
        left: 0,
        counts: found.counts(options, &entry.table)?,
        not_listed: found.not_listed(),
        by_batches: found.by_batches(population),
        differences: found.listed,
    })
}
