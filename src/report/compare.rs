//! Two snapshots side by side: rows by key, columns, verdicts, models.
//!
//! DuckDB joins the NDJSON of both and spills where they do not fit into memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead as _;
use std::path::Path;

use anyhow::Result;
use duckdb::{Config, Connection};
use serde::Serialize;

use crate::config::{Clinic, Project};
use crate::error;
use crate::model::ident::{ClinicName, TableName, literal, quoted};
use crate::model::keys::Keys;
use crate::model::manifest::{Manifest, SourceCount, TableEntry};
use crate::snapshot::Snapshot;
use crate::staging::Limits;

/// What to compare.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub limits: &'a Limits,
    pub before: &'a Snapshot,
    pub after: &'a Snapshot,
}

/// What is other.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    pub clinic: ClinicName,
    pub before: String,
    pub after: String,
    pub tables: Vec<TableChange>,
    pub sources: Vec<SourceChange>,
    pub models: Vec<ModelChange>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableChange {
    pub table: TableName,
    pub before: u64,
    pub after: u64,
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
    /// Rows with another value, by column; only of columns that some row has another value in.
    pub columns: BTreeMap<String, u64>,
    /// Its rows are matched by a key; else a changed row is one that is removed and one that is added.
    pub by_key: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct SourceChange {
    pub source: String,
    pub before: Option<SourceCount>,
    pub after: Option<SourceCount>,
    /// Its files are other ones.
    pub files_changed: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct ModelChange {
    pub model: String,
    /// None where it was not there; then none where it is gone.
    pub before: Option<u64>,
    pub after: Option<u64>,
}

/// Compares two snapshots.
///
/// # Errors
/// A file that is missing, or DuckDB failing.
pub fn run(options: &Options<'_>) -> Result<Comparison> {
    let (before, after) = (options.before.manifest(), options.after.manifest());
    let connection = spilling(options)?;
    let names: BTreeSet<&TableName> =
        before.tables.iter().chain(&after.tables).map(|entry| &entry.table).collect();
    let mut tables = Vec::new();
    for name in names {
        error::interrupt::check()?;
        tables.push(table(&connection, options, name)?);
    }
    Ok(Comparison {
        clinic: after.clinic.clone(),
        before: before.id.clone(),
        after: after.id.clone(),
        tables,
        sources: sources(before, after),
        models: models(before, after),
    })
}

fn spilling(options: &Options<'_>) -> Result<Connection> {
    let folder = options.project.staging_dir(&options.clinic.name).join("spill");
    let mut config =
        Config::default().with("temp_directory", folder.to_string_lossy()).map_err(error::duckdb)?;
    if let Some(memory) = &options.limits.memory {
        config = config.max_memory(memory).map_err(error::duckdb)?;
    }
    Connection::open_in_memory_with_flags(config).map_err(error::duckdb)
}

fn table(connection: &Connection, options: &Options<'_>, name: &TableName) -> Result<TableChange> {
    let (before, after) = (options.before.entry(name), options.after.entry(name));
    let rows = |entry: Option<&TableEntry>| entry.map_or(0, |entry| entry.rows);
    let mut change = TableChange {
        table: name.clone(),
        before: rows(before),
        after: rows(after),
        added: rows(after),
        removed: rows(before),
        changed: 0,
        columns: BTreeMap::new(),
        by_key: true,
    };
    let (Some(before), Some(after)) = (before, after) else { return Ok(change) };
    if before.sha256 == after.sha256 && before.columns == after.columns {
        (change.added, change.removed) = (0, 0);
        return Ok(change);
    }
    let ours = lines(options.before, before)?;
    let theirs = lines(options.after, after)?;
    match key(before, after) {
        Some(key) => by_key(connection, (before, after), &key, (&ours, &theirs), &mut change)?,
        None => whole_rows(connection, (&ours, &theirs), &mut change)?,
    }
    Ok(change)
}

/// What rows are matched by: the key, or the source's own where keys are placeholders.
fn key(before: &TableEntry, after: &TableEntry) -> Option<Vec<String>> {
    match (
        before.key == after.key && !before.key.is_empty(),
        before.keys == Keys::New || after.keys == Keys::New,
    ) {
        (false, _) => None,
        (true, true) => Some(vec!["_source_id".to_owned()]),
        (true, false) => Some(before.key.clone()),
    }
}

fn by_key(
    connection: &Connection,
    (before, after): (&TableEntry, &TableEntry),
    key: &[String],
    (ours, theirs): (&str, &str),
    change: &mut TableChange,
) -> Result<()> {
    let has = |entry: &TableEntry, name: &str| entry.columns.iter().any(|column| column.name == name);
    let shared: Vec<&String> = before
        .columns
        .iter()
        .map(|column| &column.name)
        .filter(|name| has(after, name) && !key.contains(name) && !before.key.contains(name))
        .collect();
    let differs: Vec<String> =
        shared.iter().map(|name| format!("a.{0} is distinct from b.{0}", quoted(name))).collect();
    let both = "a._here and b._here";
    let any = if differs.is_empty() { "false".to_owned() } else { differs.join(" or ") };
    let counts = differs.iter().map(|differs| format!("count(*) filter ({both} and {differs})"));
    let on = key.iter().map(|name| format!("a.{0} is not distinct from b.{0}", quoted(name)));
    let sql = format!(
        "select count(*) filter (a._here is null), count(*) filter (b._here is null), count(*) filter ({both} and ({any})){}{} \
         from (select *, true as _here from {ours}) a full join (select *, true as _here from {theirs}) b on {}",
        if differs.is_empty() { "" } else { ", " },
        counts.collect::<Vec<_>>().join(", "),
        on.collect::<Vec<_>>().join(" and "),
    );
    let numbers: Vec<u64> = connection
        .query_row(&sql, [], |row| (0..3 + shared.len()).map(|place| row.get(place)).collect())
        .map_err(error::duckdb)?;
    (change.added, change.removed, change.changed) = (numbers[0], numbers[1], numbers[2]);
    let columns = shared.into_iter().cloned().zip(numbers.into_iter().skip(3));
    change.columns = columns.filter(|(_, rows)| *rows > 0).collect();
    Ok(())
}

fn whole_rows(connection: &Connection, (ours, theirs): (&str, &str), change: &mut TableChange) -> Result<()> {
    let rows = |from: &str, other: &str| {
        let sql = format!(
            "select count(*) from (select * exclude (_origin) from {from} except all select * exclude (_origin) from {other})"
        );
        connection.query_row(&sql, [], |row| row.get(0)).map_err(error::duckdb)
    };
    (change.removed, change.added) = (rows(ours, theirs)?, rows(theirs, ours)?);
    change.by_key = false;
    Ok(())
}

/// A table's file as DuckDB reads it: every value as text.
fn lines(snapshot: &Snapshot, entry: &TableEntry) -> Result<String> {
    let path = snapshot.folder().join(&entry.file);
    let names = entry.columns.iter().map(|column| column.name.as_str()).chain(["_source_id", "_origin"]);
    let columns = names.map(|name| format!("{}: 'VARCHAR'", literal(name))).collect::<Vec<_>>().join(", ");
    Ok(format!(
        "read_json({}, format = 'newline_delimited', columns = {{{columns}}}, maximum_object_size = {})",
        literal(&path.to_string_lossy()),
        longest(&path)?.max(16 << 20),
    ))
}

/// DuckDB wants to know how long a line may be, and takes buffers of that size.
fn longest(path: &Path) -> Result<usize> {
    let mut lines = std::io::BufReader::with_capacity(1 << 18, std::fs::File::open(path)?);
    let (mut longest, mut line) = (0, Vec::new());
    while lines.read_until(b'\n', &mut line)? > 0 {
        longest = longest.max(line.len() + 1);
        line.clear();
    }
    Ok(longest)
}

fn sources(before: &Manifest, after: &Manifest) -> Vec<SourceChange> {
    let names: BTreeSet<&String> =
        before.sources.iter().chain(&after.sources).map(|source| &source.source).collect();
    let of = |manifest: &Manifest, name: &str| {
        manifest.sources.iter().find(|source| source.source == name).cloned()
    };
    let change = |name: &String| {
        let (before, after) = (of(before, name), of(after, name));
        let hashes = |source: &Option<SourceCount>| {
            source.as_ref().map(|one| one.files.iter().map(|file| file.sha256.clone()).collect::<Vec<_>>())
        };
        SourceChange { source: name.clone(), files_changed: hashes(&before) != hashes(&after), before, after }
    };
    names.into_iter().map(change).collect()
}

/// Models whose fingerprint is another, or that only one has.
fn models(before: &Manifest, after: &Manifest) -> Vec<ModelChange> {
    let names: BTreeSet<&String> = before.models.keys().chain(after.models.keys()).collect();
    let change = |name: &&String| {
        let (before, after) = (before.models.get(*name), after.models.get(*name));
        let same = before.map(|one| &one.fingerprint) == after.map(|one| &one.fingerprint);
        (!same).then(|| ModelChange {
            model: (*name).clone(),
            before: before.map(|one| one.version),
            after: after.map(|one| one.version),
        })
    };
    names.iter().filter_map(change).collect()
}
