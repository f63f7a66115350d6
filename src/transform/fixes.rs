//! Corrections by hand: `clinics/<clinic>/fixes/<entity>.csv` is laid over `clean.<entity>` when that is built.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::graph::Graph;
use super::name::Name;
use crate::config::sheet::{self, Sheet};
use crate::config::{Clinic, Project, shown};
use crate::error::{self, Failure};
use crate::model::hex;
use crate::model::ident::{literal, quoted};
use crate::staging::Staging;

/// What a row says that holds a corrected value.
const REPAIR: &str = "fixed";

/// A file of `fixes/` that is about something else.
const DECISIONS: &str = "issues";

/// One line: this cell of this record has this value; none empties it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fix {
    value: Option<String>,
    reason: String,
    who: String,
    line: u64,
}

/// A file, of which the last line about a cell holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fixes {
    shown: String,
    /// By source_id and column (lower case).
    cells: BTreeMap<(String, String), Fix>,
}

/// What became of a file of corrections.
#[derive(Debug, Clone, Serialize)]
pub struct FixReport {
    pub entity: String,
    /// The file below the project.
    pub path: String,
    /// Corrections that are in the table, and the rows that they changed.
    pub applied: u64,
    pub rows: u64,
    /// Those that could not be applied: rule (`fix_gone`, `fix_column`, `fix_value`, `fix_entity`) and lines.
    pub faults: Vec<FixFault>,
}

/// Corrections that one rule kept from being applied.
#[derive(Debug, Clone, Serialize)]
pub struct FixFault {
    pub rule: String,
    pub column: Option<String>,
    pub count: u64,
    /// `clinics/acme/fixes/patient.csv:3, 7`
    pub place: String,
}

/// Reads every file; a changed one changes the fingerprint of the model that it is laid over.
///
/// # Errors
/// A column that the header lacks, a line without source_id or column: with file and line.
pub(super) fn read(project: &Project, clinic: &Clinic, graph: &mut Graph) -> Result<()> {
    let folder = project.clinic_dir(&clinic.name).join("fixes");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(()) };
    for entry in entries {
        let path = entry.with_context(|| t!("config.cannot_read", path = folder.display()))?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        // `patient.links.csv` and `patient.golden.csv` are about linking.
        let Some(entity) = file.strip_suffix(".csv").filter(|name| !name.contains('.')) else { continue };
        if entity == DECISIONS {
            continue;
        }
        let fixes = Fixes::parse(&sheet::read_text(&path)?, shown(project, &path))?;
        let name = Name::new("clean", entity);
        if fixes.cells.is_empty() {
            continue;
        }
        if let Some(node) = graph.nodes.get_mut(&name) {
            node.tree = hex(Sha256::digest(format!("{} {}", node.tree, fixes.content())));
        }
        graph.fixes.insert(name, fixes);
    }
    Ok(())
}

impl Fixes {
    fn parse(text: &str, shown: String) -> Result<Self> {
        let sheet = Sheet::parse(text, &shown)?;
        let mut cells = BTreeMap::new();
        if sheet.header.is_empty() {
            return Ok(Self { shown, cells });
        }
        let [id, column, value, reason, who] =
            ["source_id", "column", "value", "reason", "who"].map(|name| sheet.column(name));
        let (id, column, value, reason, who) = (id?, column?, value?, reason?, who?);
        for row in &sheet.rows {
            let name = row.cell(column).trim().to_lowercase();
            if row.cell(id).is_empty() || name.is_empty() {
                return Err(Failure::failed(t!("transform.fix_no_cell", place = sheet.place(row)))
                    .hint(t!("transform.fix_no_cell_hint"))
                    .into());
            }
            let fix = Fix {
                value: Some(row.cell(value).to_owned()).filter(|value| !value.is_empty()),
                reason: row.cell(reason).to_owned(),
                who: row.cell(who).to_owned(),
                line: row.line,
            };
            cells.insert((row.cell(id).to_owned(), name), fix);
        }
        Ok(Self { shown, cells })
    }

    /// What decides the table: not reasons, nor the order of lines.
    fn content(&self) -> String {
        let mut text = String::new();
        for (cell, fix) in &self.cells {
            let _ = writeln!(text, "{cell:?} {:?}", fix.value);
        }
        text
    }

    /// Lays the corrections over a table that was just built, in the caller's transaction. Its rows keep their order.
    pub(super) fn apply(&self, staging: &Staging, name: &Name) -> Result<()> {
        self.stage(staging, name)?;
        let columns: Vec<(String, String)> = staging.rows(
            "select c.column_name, c.data_type from temp.fix_column c
             where c.column_name in (select column_name from temp.fix where fault is null) order by 1",
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        if columns.is_empty() {
            return Ok(());
        }
        let mut wide = String::new();
        let mut replaced = Vec::new();
        for (place, (column, data_type)) in columns.iter().enumerate() {
            let of = format!("filter (where column_name = {})", literal(column));
            let _ = write!(wide, ", max(line) {of} as line_{place}, max(value) {of} as value_{place}");
            let column = quoted(column);
            replaced.push(format!(
                "case when f.line_{place} is null then c.{column} else try_cast(f.value_{place} as {data_type}) end as {column}"
            ));
        }
        let has_repairs: bool = staging.value(&format!(
            "select count(*) > 0 from duckdb_columns() where schema_name = 'clean' and table_name = {} \
             and lower(column_name) = '_repairs'",
            literal(&name.table)
        ))?;
        let repairs = |before: &str| {
            format!(
                "case when f.source_id is null then {before} else list_append({before}, '{REPAIR}') end as _repairs"
            )
        };
        let added = match has_repairs {
            true => {
                replaced.push(repairs("coalesce(c._repairs, [])"));
                String::new()
            }
            false => format!(", {}", repairs("[]::varchar[]")),
        };
        staging.execute(&format!(
            "create or replace temp table fix_row as select source_id{wide} from temp.fix where fault is null group by source_id;
             create or replace table {name} as select c.* replace ({}){added}
             from {name} as c left join temp.fix_row as f on c.source_id::varchar = f.source_id order by c.rowid",
            replaced.join(", "),
            name = name.quoted(),
        ))
    }

    /// Fills `temp.fix`, one row a correction, with what keeps it from being applied as `fault`: a column that is not there,
    /// or is the engine's; a value that its type refuses.
    fn stage(&self, staging: &Staging, name: &Name) -> Result<()> {
        let rows = self.cells.iter().map(|((source_id, column), fix)| {
            serde_json::json!({
                "i": source_id, "c": column, "v": fix.value, "r": fix.reason, "w": fix.who, "l": fix.line
            })
        });
        let json = serde_json::Value::Array(rows.collect()).to_string();
        staging.execute(&format!(
            "create or replace temp table fix_column as
               select lower(column_name) as column_name, data_type from duckdb_columns()
               where schema_name = {schema} and table_name = {table} and column_name[1] <> '_' and lower(column_name) <> 'source_id'
                 and exists (from duckdb_columns() where schema_name = {schema} and table_name = {table} and lower(column_name) = 'source_id');
             create or replace temp table fix
               (source_id varchar, column_name varchar, value varchar, reason varchar, who varchar, line bigint, fault varchar)",
            schema = literal(&name.schema),
            table = literal(&name.table),
        ))?;
        let insert = r#"insert into temp.fix select d.i, d.c, d.v, d.r, d.w, d.l, null
            from (select unnest(from_json(?::json,
              '[{"i":"VARCHAR","c":"VARCHAR","v":"VARCHAR","r":"VARCHAR","w":"VARCHAR","l":"BIGINT"}]')) as d)"#;
        staging.connection().execute(insert, [&json]).map_err(error::duckdb)?;
        staging.execute(
            "update temp.fix set fault = 'fix_column' where column_name not in (select column_name from temp.fix_column)",
        )?;
        let types: Vec<(String, String)> = staging.rows(
            "select column_name, data_type from temp.fix_column where column_name in (select column_name from temp.fix)",
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        for (column, data_type) in types {
            staging.execute(&format!(
                "update temp.fix set fault = 'fix_value' \
                 where column_name = {} and value is not null and try_cast(value as {data_type}) is null",
                literal(&column)
            ))?;
        }
        Ok(())
    }

    /// Writes down which corrections the table has, and finds those that it has not.
    fn record(&self, staging: &Staging, name: &Name) -> Result<FixReport> {
        self.stage(staging, name)?;
        let entity = literal(&name.table);
        if staging.has_table(&name.schema, &name.table)? {
            staging.execute(&format!(
                "update temp.fix set fault = 'fix_gone' where fault is null and \
                   not exists (select 1 from {clean} as c where c.source_id::varchar = temp.fix.source_id);
                 insert into meta.fix select {entity}, source_id, column_name, line, who, reason from temp.fix where fault is null",
                clean = name.quoted(),
            ))?;
        } else {
            staging.execute("update temp.fix set fault = 'fix_entity'")?;
        }
        // A column that is not there may be a value in the wrong place: its name is not told.
        let faults = staging.rows(
            "select fault, case when fault = 'fix_value' then column_name end as told, count(*)::ubigint,
               array_to_string(list_sort(list(distinct line)), ', ')
             from temp.fix where fault is not null group by fault, told order by fault, told",
            |row| {
                let place = format!("{}:{}", self.shown, row.get::<_, String>(3)?);
                Ok(FixFault { rule: row.get(0)?, column: row.get(1)?, count: row.get(2)?, place })
            },
        )?;
        Ok(FixReport {
            entity: name.table.clone(),
            path: self.shown.clone(),
            applied: staging.value("select count(*) from temp.fix where fault is null")?,
            rows: staging.value("select count(distinct source_id) from temp.fix where fault is null")?,
            faults,
        })
    }
}

/// Writes `meta.fix` and the findings of every file anew.
pub(super) fn record(staging: &Staging, graph: &Graph) -> Result<Vec<FixReport>> {
    staging.transaction(|| {
        staging.execute(
            "delete from meta.fix; \
             delete from meta.finding where stage = 'transform' and rule in ('fixed', 'fix_gone', 'fix_column', 'fix_value', 'fix_entity')",
        )?;
        let mut reports = Vec::new();
        for (name, fixes) in &graph.fixes {
            let report = fixes.record(staging, name)?;
            let subject = name.to_string();
            if report.applied > 0 {
                finding(staging, REPAIR, "info", &subject, None, report.rows, &report.path)?;
            }
            for fault in &report.faults {
                let column = fault.column.as_deref();
                finding(staging, &fault.rule, "warning", &subject, column, fault.count, &fault.place)?;
            }
            reports.push(report);
        }
        Ok(reports)
    })
}

fn finding(
    staging: &Staging,
    rule: &str,
    severity: &str,
    subject: &str,
    column: Option<&str>,
    count: u64,
    detail: &str,
) -> Result<()> {
    staging
        .connection()
        .execute(
            "insert into meta.finding values ('transform', ?, ?, ?, ?, ?, ?)",
            duckdb::params![rule, severity, subject, column, count, detail],
        )
        .map(drop)
        .map_err(error::duckdb)
}
