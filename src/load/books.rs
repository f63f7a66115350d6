//! What the staging file remembers of loads: `meta.source`, `meta.source_file`, `meta.load_error`, `meta.finding`.

use std::collections::BTreeMap;

use anyhow::Result;
use duckdb::{ToSql, params};
use serde::Deserialize as _;
use serde_json::Value;

use super::deliveries;
use super::plan::{Plan, Reason};
use super::survey::Surveyed;
use super::{FileReport, SourceReport};
use crate::error;
use crate::model::ident::{literal, quoted};
use crate::sources::{Dialect, Finding, Severity};
use crate::staging::Staging;

/// A source as it was loaded last.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Negative once another source may take it.
    pub(super) number: i64,
    pub(super) options_hash: String,
    pub(super) columns: Vec<String>,
    pub(super) files: Vec<KnownFile>,
    pub(super) has_table: bool,
}

#[derive(Debug, Clone)]
pub(super) struct KnownFile {
    pub(super) path: String,
    pub(super) sha256: String,
    pub(super) dialect: Option<Dialect>,
}

impl Known {
    /// The dialect that a file is expected in: its own, or for a new file the one that all others share.
    pub(super) fn dialect(&self, path: &str) -> Option<Dialect> {
        if let Some(file) = self.files.iter().find(|file| file.path == path) {
            return file.dialect.clone();
        }
        let first = self.files.first()?.dialect.as_ref()?;
        self.files.iter().all(|file| file.dialect.as_ref() == Some(first)).then(|| first.clone())
    }
}

/// All sources that were ever loaded and not removed.
pub(super) fn known(staging: &Staging) -> Result<BTreeMap<String, Known>> {
    let sources = staging.rows(
        "select s.source, s.number, s.options_hash, to_json(s.columns)::varchar, t.table_name is not null
         from meta.source s left join duckdb_tables() t
           on t.schema_name = 'raw' and t.table_name = s.source and t.database_name = current_database()",
        |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?, row.get(4)?)),
    )?;
    let mut known = BTreeMap::new();
    for (source, number, options_hash, columns, has_table) in sources {
        let columns = serde_json::from_str(&columns)?;
        known.insert(source, Known { number, options_hash, columns, files: Vec::new(), has_table });
    }
    let files = staging.rows(
        "select source, path, sha256, dialect::varchar from meta.source_file order by source, file_number",
        |row| {
            let dialect = stored(&row.get::<_, String>(3)?).ok().map(|(_, frozen)| frozen);
            Ok((row.get::<_, String>(0)?, KnownFile { path: row.get(1)?, sha256: row.get(2)?, dialect }))
        },
    )?;
    for (source, file) in files {
        if let Some(known) = known.get_mut(&source) {
            known.files.push(file);
        }
    }
    Ok(known)
}

/// Lets go of the numbers of sources that move, so that another may take them; they are read again even if this load
/// ends before their turn.
pub(super) fn release_numbers(staging: &Staging, plan: &Plan) -> Result<()> {
    for step in plan.steps.iter().filter(|step| step.reason == Some(Reason::NumberMoved)) {
        staging.execute(&format!(
            "update meta.source set number = -number where number > 0 and source = {}",
            literal(&step.source)
        ))?;
    }
    let taken = plan.steps.iter().map(|step| format!("({}, {})", literal(&step.source), step.number));
    let taken = taken.collect::<Vec<_>>().join(", ");
    if taken.is_empty() {
        return Ok(());
    }
    staging.execute(&format!(
        "update meta.source s set number = -s.number from (values {taken}) t(source, number)
         where s.number = t.number and s.source <> t.source"
    ))
}

/// Drops a source that clinic.toml no longer names, with everything noted of it.
pub(super) fn remove(staging: &Staging, source: &str) -> Result<()> {
    staging.transaction(|| {
        staging.execute(&format!("drop table if exists raw.{}", quoted(source)))?;
        forget(staging, source)
    })
}

/// Deletes everything noted of a source.
pub(super) fn forget(staging: &Staging, source: &str) -> Result<()> {
    let name = literal(source);
    staging.execute(&format!(
        "delete from meta.source where source = {name};
         delete from meta.source_file where source = {name};
         delete from meta.load_error where source = {name};
         delete from meta.superseded where source = {name};
         delete from meta.finding where stage = 'load' and subject = {name};"
    ))
}

/// Deletes what is noted of a source but for its records: those of earlier deliveries stay.
pub(super) fn forget_settings(staging: &Staging, source: &str) -> Result<()> {
    let name = literal(source);
    staging.execute(&format!(
        "delete from meta.source where source = {name};
         delete from meta.source_file where source = {name};
         delete from meta.finding where stage = 'load' and subject = {name};"
    ))
}

/// Notes a source that was loaded.
pub(super) fn write(staging: &Staging, surveyed: &Surveyed, report: &SourceReport) -> Result<()> {
    let columns = serde_json::to_string(&report.columns)?;
    insert(
        staging,
        "insert into meta.source values (?, ?, ?, from_json(?, '[\"VARCHAR\"]'), current_timestamp)",
        params![report.name, report.number, surveyed.options_hash, columns],
    )?;
    for (number, file) in (1i64..).zip(&report.files) {
        let dialect = to_store(file)?.to_string();
        insert(
            staging,
            "insert into meta.source_file values (?, ?, ?, ?, ?, ?::json, ?, ?, ?)",
            params![
                report.name,
                number,
                file.path,
                file.bytes,
                file.sha256,
                dialect,
                file.loaded,
                file.refused,
                file.counted
            ],
        )?;
    }
    for finding in &report.findings {
        insert(
            staging,
            "insert into meta.finding values ('load', ?, ?, ?, ?, ?, ?)",
            params![
                finding.rule,
                finding.severity.as_str(),
                report.name,
                finding.column,
                finding.count,
                finding.detail
            ],
        )?;
    }
    Ok(())
}

/// A file's dialect, with the frozen one inside where that is another.
fn to_store(file: &FileReport) -> Result<Value> {
    let mut dialect = serde_json::to_value(&file.dialect)?;
    if file.frozen != file.dialect {
        dialect["frozen"] = serde_json::to_value(&file.frozen)?;
    }
    Ok(dialect)
}

/// The dialect that a file was read in, and the frozen one.
fn stored(text: &str) -> Result<(Dialect, Dialect)> {
    let value: Value = serde_json::from_str(text)?;
    let dialect = Dialect::deserialize(&value)?;
    let frozen = value.get("frozen").map(Dialect::deserialize).transpose()?;
    Ok((dialect.clone(), frozen.unwrap_or(dialect)))
}

fn insert(staging: &Staging, sql: &str, values: &[&dyn ToSql]) -> Result<()> {
    staging.connection().execute(sql, values).map(drop).map_err(error::duckdb)
}

/// The report of a source as it was loaded before.
pub(super) fn report(staging: &Staging, source: &str) -> Result<SourceReport> {
    let name = literal(source);
    let files = staging.rows(
        &format!(
            "select path, bytes, sha256, dialect::varchar, loaded, refused, counted,
                 (select count(*) from meta.load_error e
                  where e.source = f.source and e.file_number = f.file_number and e.record is null)
             from meta.source_file f where source = {name} order by file_number"
        ),
        |row| {
            Ok((
                row.get::<_, String>(3)?,
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
                row.get(7)?,
            ))
        },
    )?;
    let files = files
        .into_iter()
        .map(|(dialect, path, bytes, sha256, loaded, refused, counted, cells)| {
            let (dialect, frozen) = stored(&dialect)?;
            Ok(FileReport { path, bytes, sha256, dialect, frozen, loaded, refused, cells, counted })
        })
        .collect::<Result<Vec<_>>>()?;
    let findings = staging.rows(
        &format!(
            "select rule, severity, column_name, count, detail from meta.finding
             where stage = 'load' and subject = {name} order by rowid"
        ),
        |row| {
            let severity = match row.get::<_, String>(1)?.as_str() {
                "critical" => Severity::Critical,
                "warning" => Severity::Warning,
                _ => Severity::Info,
            };
            Ok(Finding {
                rule: row.get(0)?,
                severity,
                column: row.get(2)?,
                count: row.get(3)?,
                detail: row.get(4)?,
            })
        },
    )?;
    let (number, columns): (u64, String) = staging
        .connection()
        .query_row(
            &format!("select number, to_json(columns)::varchar from meta.source where source = {name}"),
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(error::duckdb)?;
    let superseded = deliveries::superseded(staging, source)?;
    Ok(SourceReport {
        name: source.to_owned(),
        number,
        columns: serde_json::from_str(&columns)?,
        rows: files.iter().map(|file| file.loaded).sum::<u64>() - superseded,
        refused: files.iter().map(|file| file.refused).sum(),
        superseded,
        files,
        unchanged: true,
        findings,
    })
}
