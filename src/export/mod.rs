//! export: writes `ready` as a snapshot, so that the same input and SQL give the same bytes.

mod golden;
mod manifest;
mod records;
mod rejects;

use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use rust_i18n::t;
use serde::Serialize;

use crate::config::{Clinic, Project};
use crate::error::{self, Failure};
use crate::model::catalog::{Catalog, DataType, Table};
use crate::model::file_name;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::manifest::{ColumnEntry, Manifest, SourceCount, TableEntry};
use crate::model::run::{Event, Observer, Stage};
use crate::snapshot::{self, Snapshot};
use crate::staging::{Staging, private_folder};

/// What to export.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub staging: &'a Staging,
    pub catalog: &'a Catalog,
    /// Hash of the part of the catalog that was checked against.
    pub catalog_hash: String,
    /// Verdicts by source, as check counted them.
    pub sources: Vec<SourceCount>,
}

/// The snapshot that was made.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub snapshot: String,
    pub folder: String,
    pub tables: Vec<TableReport>,
    /// The same content was there already.
    pub unchanged: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    pub table: TableName,
    pub rows: u64,
    pub bytes: u64,
}

/// Writes a snapshot of `ready`.
///
/// # Errors
/// Nothing was checked, or the disk is full; a half-written folder is removed and the last snapshot stays.
pub fn run(options: &Options<'_>, observer: &dyn Observer) -> Result<Report> {
    let names = ready_tables(options.staging)?;
    if names.is_empty() {
        return Err(Failure::failed(t!("export.nothing"))
            .hint(t!("export.nothing_hint", clinic = options.clinic.name))
            .into());
    }
    let snapshots = options.project.snapshots_dir(&options.clinic.name);
    private_folder(&snapshots)?;
    let partial = snapshots.join(".partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    private_folder(&partial)?;
    private_folder(&partial.join("data"))?;
    let known = snapshot::list(&snapshots)?;
    let written = write(options, &names, &partial, observer).and_then(|tables| {
        let (golden, records) =
            (golden::write(options, &partial)?, records::write(options, &names, &partial)?);
        let rejects = rejects::write(options, &names, &partial)?;
        let manifest = Manifest { golden, records, rejects, ..manifest::build(options, tables)? };
        Snapshot::seal(&partial, &snapshots, manifest)
    });
    let snapshot = match written {
        Ok(snapshot) => snapshot,
        Err(error) => {
            // What failed is worth telling; a folder that cannot be removed now is removed by the next export.
            let _ = fs::remove_dir_all(&partial);
            return Err(error.context(t!("export.failed", path = snapshots.display())));
        }
    };
    Ok(report(&snapshot, known.iter().any(|id| id == snapshot.id())))
}

fn report(snapshot: &Snapshot, unchanged: bool) -> Report {
    let tables = snapshot.manifest().tables.iter();
    Report {
        snapshot: snapshot.id().to_owned(),
        folder: snapshot.folder().display().to_string(),
        tables: tables
            .map(|entry| TableReport { table: entry.table.clone(), rows: entry.rows, bytes: entry.bytes })
            .collect(),
        unchanged,
    }
}

fn ready_tables(staging: &Staging) -> Result<Vec<TableName>> {
    staging.rows("select table_name from duckdb_tables() where schema_name = 'ready' order by 1", |row| {
        Ok(TableName::from(row.get::<_, String>(0)?))
    })
}

/// Writes every table; what each file hashes to is found, and the disk waited for, while the next one is written.
fn write(
    options: &Options<'_>,
    names: &[TableName],
    partial: &Path,
    observer: &dyn Observer,
) -> Result<Vec<TableEntry>> {
    thread::scope(|scope| {
        let mut written = Vec::new();
        for name in options.catalog.dependency_order(names) {
            error::interrupt::check()?;
            let subject = name.to_string();
            observer.event(&Event::Started { stage: Stage::Export, subject: &subject, total: None });
            let entry = table(options, &name, partial)?;
            observer.event(&Event::Finished { stage: Stage::Export, subject: &subject, rows: entry.rows });
            let path = partial.join(&entry.file);
            written.push((entry, scope.spawn(move || snapshot::settle(&path))));
        }
        let settled = written.into_iter().map(|(entry, settled)| {
            let (sha256, bytes) =
                settled.join().map_err(|_| anyhow!("the thread that hashes {} panicked", entry.file))??;
            Ok(TableEntry { sha256, bytes, ..entry })
        });
        settled.collect()
    })
}

/// Writes one table's file; its hash and size are still missing in the entry.
fn table(options: &Options<'_>, name: &TableName, partial: &Path) -> Result<TableEntry> {
    let staging = options.staging;
    let table = options.catalog.table(name).with_context(|| t!("export.no_table", table = name))?;
    let columns = written_columns(staging, name, table)?;
    let file = format!("data/{}.ndjson", file_name(&name.to_string()));
    staging.execute(&copy_sql(name, &columns, &source_names(staging)?, &partial.join(&file)))?;
    Ok(TableEntry {
        table: name.clone(),
        file,
        sha256: String::new(),
        bytes: 0,
        rows: staging.value(&format!("select count(*) from {}", name.staged("ready")))?,
        rejected: staging.value(&format!("select count(*) from {}", name.staged("reject")))?,
        columns: columns
            .iter()
            .map(|(name, data_type)| ColumnEntry { name: name.clone(), data_type: data_type.name.clone() })
            .collect(),
        key: table.primary_key().to_vec(),
        keys: options.clinic.table(name).keys,
        fills: false,
    })
}

/// The columns in `ready`, with the catalog's types, in the catalog's order.
fn written_columns<'c>(
    staging: &Staging,
    name: &TableName,
    table: &'c Table,
) -> Result<Vec<(String, &'c DataType)>> {
    let present: Vec<String> = staging.rows(
        &format!(
            "select column_name from duckdb_columns() where schema_name = 'ready' and table_name = {}",
            literal(&name.to_string())
        ),
        |row| row.get(0),
    )?;
    let written = table.columns.iter().filter(|column| present.contains(&column.name));
    Ok(written.map(|column| (column.name.clone(), &column.data_type)).collect())
}

/// Source names as an SQL list, so that a source's number is its place (from 1).
fn source_names(staging: &Staging) -> Result<String> {
    let names: Vec<(usize, String)> = staging
        .rows("select number, source from meta.source order by number", |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let mut places = vec!["null".to_owned(); names.last().map_or(0, |(number, _)| *number)];
    for (number, name) in names {
        places[number - 1] = literal(&name);
    }
    Ok(format!("[{}]::varchar[]", places.join(", ")))
}

/// An `_id` as people read it, `source:file:row` (see its layout in DESIGN §1); `sources` is [`source_names`].
fn spelled(id: &str, sources: &str) -> String {
    format!("({sources})[{id} >> 50] || ':' || (({id} >> 36) & 16383) || ':' || ({id} & 68719476735)")
}

/// `_origin` names raw records.
fn copy_sql(name: &TableName, columns: &[(String, &DataType)], sources: &str, path: &Path) -> String {
    let values = columns.iter().map(|(column, data_type)| {
        let column = quoted(column);
        match data_type.undomained().base.as_str() {
            "bool" => format!("{column}::boolean as {column}"),
            "int2" | "int4" => format!("{column}::integer as {column}"),
            // As a document DuckDB would print its numbers anew, and lose digits.
            "json" | "jsonb" => format!("{column}::varchar as {column}"),
            _ => column,
        }
    });
    format!(
        "copy (select {}, list_transform(coalesce(_ids, []), lambda i: {}) as _origin, _source_id from {}) to {} (format json, array false)",
        values.collect::<Vec<_>>().join(", "),
        spelled("i", sources),
        name.staged("ready"),
        literal(&path.to_string_lossy()),
    )
}
