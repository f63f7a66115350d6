//! Parquet, read by DuckDB: every value as its text, exactly; nested ones as JSON.

use anyhow::Result;
use duckdb::Connection;
use duckdb::arrow::array::{Array as _, AsArray as _};
use rust_i18n::t;
use tempfile::TempDir;

use super::batch::{Batcher, Origin};
use super::dialect::ParquetDialect;
use super::files::SourceFile;
use super::header::{self, Header};
use super::survey::{Fingerprint, Survey, survey};
use super::{Emit, Finding, Portion, Severity, Totals};
use crate::config::Empty;
use crate::error::{self, Failure, interrupt};
use crate::model::ident::{literal, quoted};

/// What a Parquet file begins and ends with.
pub(super) const MAGIC: &[u8] = b"PAR1";
/// DuckDB's own; what it takes beyond goes to a file.
const MEMORY: &str = "512MB";

/// A Parquet file that is ready to be read.
pub struct Parquet {
    file: SourceFile,
    pub(super) dialect: ParquetDialect,
    pub(super) header: Header,
    pub(super) findings: Vec<Finding>,
    /// SQL of each column's text.
    values: Vec<String>,
    bytes: u64,
}

/// A DuckDB of its own, in a folder of its own.
struct Desk {
    connection: Connection,
    _folder: TempDir,
}

impl Parquet {
    pub(super) fn open(file: &SourceFile, survey: &Survey) -> Result<Self> {
        let desk = Desk::new()?;
        let sql = format!("select column_name, column_type from (describe select * from {})", reading(file));
        let columns: Vec<(String, String)> =
            desk.rows(&sql, |row| Ok((row.get(0)?, row.get(1)?))).map_err(|error| damaged(file, &error))?;
        let (names, types): (Vec<String>, Vec<String>) = columns.into_iter().unzip();
        let (header, findings) = header::name(&names);
        let values = names.iter().zip(&types).map(|(name, data_type)| text_of(name, data_type)).collect();
        let dialect = ParquetDialect { types };
        let bytes = survey.fingerprint.bytes;
        Ok(Self { file: file.clone(), dialect, header, findings, values, bytes })
    }

    pub(super) fn read(&self, origin: &Origin, emit: &mut Emit<'_>) -> Result<Totals> {
        let desk = Desk::new()?;
        // Made a table first: what is wrong with the file is told then, before any row is handed on.
        let values = self.values.iter().zip(0..).map(|(value, place)| format!("{value} as c{place}"));
        let values = values.collect::<Vec<_>>().join(", ");
        desk.connection
            .execute_batch(&format!("create table record as select {values} from {}", reading(&self.file)))
            .map_err(|error| damaged(&self.file, &error::duckdb(error)))?;
        let mut batcher = Batcher::new(origin, &self.header.names, Empty::Text);
        let mut statement =
            desk.connection.prepare("select * from record order by rowid").map_err(error::duckdb)?;
        for batch in statement.stream_arrow([]).map_err(error::duckdb)? {
            interrupt::check()?;
            let columns: Vec<_> = batch.columns().iter().map(|column| column.as_string::<i32>()).collect();
            for row in 0..batch.num_rows() {
                let cells = columns.iter().map(|column| column.is_valid(row).then(|| column.value(row)));
                let place = batcher.record + 1;
                batcher.push_cells(cells, |_| place.to_string(), emit)?;
            }
        }
        emit(Portion::Progress(self.bytes))?;
        let records = batcher.record;
        let mut totals = batcher.finish(emit)?;
        if records == 0 {
            let finding = Finding::new("no_records", Severity::Warning, 1);
            totals.findings.push(finding.detail(self.file.shown.clone()));
        }
        Ok(totals)
    }

    /// The rows that the file's own metadata tell of, and the file's hash now.
    pub(super) fn count(&self) -> Result<(u64, Fingerprint)> {
        let sql = format!("select num_rows::ubigint from parquet_file_metadata({})", path(&self.file));
        let rows: Vec<u64> =
            Desk::new()?.rows(&sql, |row| row.get(0)).map_err(|error| damaged(&self.file, &error))?;
        Ok((rows.into_iter().sum(), survey(&self.file)?.fingerprint))
    }
}

impl Desk {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let connection = Connection::open(folder.path().join("parquet.duckdb")).map_err(error::duckdb)?;
        connection
            .execute_batch(&format!("set memory_limit = '{MEMORY}'; set TimeZone = 'UTC'"))
            .map_err(error::duckdb)?;
        Ok(Self { connection, _folder: folder })
    }

    fn rows<T>(&self, sql: &str, read: impl FnMut(&duckdb::Row<'_>) -> duckdb::Result<T>) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare(sql).map_err(error::duckdb)?;
        let rows = statement.query_map([], read).map_err(error::duckdb)?;
        rows.collect::<duckdb::Result<Vec<T>>>().map_err(error::duckdb)
    }
}

/// DuckDB takes a path for a pattern.
fn path(file: &SourceFile) -> String {
    let escaped = |character: char| match character {
        '*' | '?' | '[' => format!("[{character}]"),
        other => other.to_string(),
    };
    literal(&file.path.to_string_lossy().chars().map(escaped).collect::<String>())
}

fn reading(file: &SourceFile) -> String {
    format!("read_parquet({}, hive_partitioning = false)", path(file))
}

/// SQL that gives a column's values as text. In JSON, what a number there would round, is text too.
fn text_of(name: &str, data_type: &str) -> String {
    let column = quoted(name);
    let nested =
        data_type.ends_with(']') || data_type.starts_with("STRUCT(") || data_type.starts_with("MAP(");
    match data_type {
        "VARCHAR" => column,
        "BLOB" => format!("'\\x' || lower(hex({column}))"),
        _ if nested => format!("to_json({column}::{})::varchar", with_texts(data_type)),
        _ => format!("{column}::varchar"),
    }
}

/// A nested type with text in the place of decimals, which DuckDB's JSON rounds.
fn with_texts(data_type: &str) -> String {
    let mut parts = data_type.split("DECIMAL(");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("VARCHAR");
        text.push_str(part.split_once(')').map_or("", |(_, rest)| rest));
    }
    text.replace("UHUGEINT", "VARCHAR").replace("HUGEINT", "VARCHAR")
}

fn damaged(file: &SourceFile, error: &anyhow::Error) -> anyhow::Error {
    Failure::failed(t!("parquet.damaged", path = file.shown, error = error.to_string()))
        .hint(t!("packed.damaged_hint"))
        .into()
}
