//! Reads source files as records of text: delimited text, spreadsheets, SQLite databases and documents.
//!
//! ```text
//! find → survey (hash, encoding, what the file is) → open (dialect, header) → read (batches of rows, refusals) + count
//! ```
//! Nothing here knows DuckDB: rows leave as Arrow batches, whose columns are those of the header and `_id`, `_file`, `_row`.

mod batch;
mod cell;
mod census;
pub mod copied;
mod count;
mod decode;
mod detect;
mod dialect;
mod digits;
mod documents;
mod encoding;
mod escaped;
mod files;
mod folder;
mod globs;
mod grid;
mod header;
pub mod packed;
mod parquet;
mod parser;
mod sheet;
pub mod sqlite;
mod survey;
mod text;
mod workbook;

use std::sync::Arc;

use anyhow::Result;
use duckdb::arrow::record_batch::RecordBatch;
use rust_i18n::t;
use serde::Serialize;

use crate::config::SourceConfig;
use crate::error::Failure;

pub use batch::Origin;
pub use dialect::{
    Dialect, DocumentDialect, ParquetDialect, PostgresDialect, SheetDialect, SqliteDialect, TextDialect,
    validate,
};
pub use documents::{Fields, of_bson, unread as unread_collections};
pub use encoding::postgres_encoding;
pub use files::{Folder, SourceFile};
pub use folder::{Content, content};
pub(crate) use header::is_value;
pub use survey::{Fingerprint, Survey, survey};

/// Changes whenever the readers would read the same file differently; part of every options hash.
pub const READER_VERSION: u32 = 3;

/// Something about a file that a person should know and that stops nothing by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A rule name, such as `mixed_encoding`.
    pub rule: String,
    pub severity: Severity,
    pub column: Option<String>,
    pub count: u64,
    /// Lines, addresses and names; never a value.
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Critical,
    Warning,
    Info,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

impl Finding {
    pub fn new(rule: &str, severity: Severity, count: u64) -> Self {
        Self { rule: rule.to_owned(), severity, column: None, count, detail: None }
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn column(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }
}

/// A record that could not be read (`record` is known), or a cell that gave no value (its record was read).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// 1-based among the file's data records.
    pub record: Option<u64>,
    /// 1-based physical line or sheet row.
    pub line: u64,
    /// A spreadsheet address, such as `Sheet1!B7`.
    pub cell: Option<String>,
    /// A rule name, such as `ragged_row`.
    pub reason: &'static str,
    pub detail: Option<String>,
}

/// What a reader hands on, piece by piece.
pub enum Portion {
    Rows(RecordBatch),
    Refused(Vec<Refusal>),
    /// So many more bytes of the file are done.
    Progress(u64),
}

/// Takes portions; an error from it ends the reading.
pub type Emit<'a> = dyn FnMut(Portion) -> Result<()> + 'a;

/// What reading a file came to.
#[derive(Debug, Default)]
pub struct Totals {
    pub rows: u64,
    pub refused: u64,
    /// Cells that gave no value.
    pub cells: u64,
    pub findings: Vec<Finding>,
}

/// A file whose dialect and header are known.
pub enum Opened {
    Text(Box<text::Text>),
    Sheet(Box<sheet::Sheet>),
    Copied(Box<copied::Copied>),
    Sqlite(Box<sqlite::Database>),
    Documents(Box<documents::Documents>),
    Parquet(Box<parquet::Parquet>),
    Folder(Box<folder::Folder>),
}

/// How an earlier load read the same source.
#[derive(Debug, Clone, Default)]
pub struct Frozen {
    /// Under which name clinic.toml settles it otherwise.
    pub source: String,
    pub dialect: Option<Dialect>,
    pub columns: Vec<String>,
    /// The source is made of several files, whose columns must agree.
    pub several: bool,
    /// Of a source of documents the columns of all its files.
    pub fields: Option<Arc<Fields>>,
}

/// The columns of a source of documents: all of its files are looked through for them. `earlier` are those of a table behind
/// which they come. None where no file holds documents.
pub fn fields(
    parts: &[(SourceFile, Survey)],
    config: &SourceConfig,
    earlier: &[String],
) -> Result<Option<Arc<Fields>>> {
    documents::fields(parts, config, earlier)
}

/// The names and findings for columns that clinic.toml names for a source without files.
pub fn named(columns: &[String]) -> (Vec<String>, Vec<Finding>) {
    let (header, mut findings) = header::name(columns);
    findings.push(Finding::new("optional_missing", Severity::Info, 1));
    (header.names, findings)
}

/// Finds out how a file is to be read: given options first, then the frozen dialect, then what the file looks like.
pub fn open(file: &SourceFile, survey: &Survey, config: &SourceConfig, frozen: &Frozen) -> Result<Opened> {
    match survey.kind {
        survey::FileKind::Copied => {
            return copied::Copied::open(file, survey).map(|copied| Opened::Copied(Box::new(copied)));
        }
        survey::FileKind::Sqlite => {
            let opened = sqlite::Database::open(file, survey, config, frozen.several);
            return opened.map(|database| Opened::Sqlite(Box::new(database)));
        }
        survey::FileKind::Parquet => {
            return parquet::Parquet::open(file, survey).map(|parquet| Opened::Parquet(Box::new(parquet)));
        }
        survey::FileKind::Folder => {
            let folder = folder::Folder::open(file, survey.fingerprint.bytes);
            return Ok(Opened::Folder(Box::new(folder)));
        }
        _ if config.table.is_some() || config.query.is_some() => return Err(sqlite::no_database(file)),
        survey::FileKind::Documents(kind) => {
            let (source, fields) = (&frozen.source, frozen.fields.as_ref());
            let opened = documents::Documents::open(file, kind, config, source, fields);
            return opened.map(|documents| Opened::Documents(Box::new(documents)));
        }
        _ => {}
    }
    if let Some(collection) = &config.collection {
        let (source, path) = (&frozen.source, &file.shown);
        let message = t!("documents.no_documents", source = source, collection = collection, path = path);
        Err(Failure::usage(message).into())
    } else if survey.kind.is_text() {
        text::Text::open(file, survey, config, frozen).map(|text| Opened::Text(Box::new(text)))
    } else {
        sheet::Sheet::open(file, survey, config, frozen).map(|sheet| Opened::Sheet(Box::new(sheet)))
    }
}

impl Opened {
    pub fn columns(&self) -> &[String] {
        match self {
            Opened::Text(text) => &text.header.names,
            Opened::Sheet(sheet) => &sheet.header.names,
            Opened::Copied(copied) => &copied.header.names,
            Opened::Sqlite(database) => &database.header.names,
            Opened::Documents(documents) => documents.columns(),
            Opened::Parquet(parquet) => &parquet.header.names,
            Opened::Folder(folder) => &folder.header.names,
        }
    }

    /// Whether every column has the name that the header gives it: none is made up, and none is numbered because
    /// another has the same.
    pub fn is_named(&self) -> bool {
        let made_up =
            |finding: &Finding| ["header_empty", "header_repeated"].contains(&finding.rule.as_str());
        !self.findings().iter().any(made_up)
    }

    pub fn dialect(&self) -> Dialect {
        match self {
            Opened::Text(text) => Dialect::Text(text.dialect.clone()),
            Opened::Sheet(sheet) => Dialect::Sheet(sheet.dialect.clone()),
            Opened::Copied(copied) => Dialect::Postgres(copied.dialect.clone()),
            Opened::Sqlite(database) => Dialect::Sqlite(database.dialect.clone()),
            Opened::Documents(documents) => Dialect::Document(documents.dialect.clone()),
            Opened::Parquet(parquet) => Dialect::Parquet(parquet.dialect.clone()),
            Opened::Folder(_) => Dialect::Folder,
        }
    }

    /// The dialect that the next load is to expect: this one, unless the file is not what it was and clinic.toml does
    /// not say that it may be. Then that is told anew until it does.
    pub fn freeze(&self, frozen: &Frozen) -> Dialect {
        let drifted =
            |finding: &&Finding| finding.rule == "dialect_drift" && finding.severity == Severity::Critical;
        let kept = frozen.dialect.clone().filter(|_| self.findings().iter().any(|finding| drifted(&finding)));
        kept.unwrap_or_else(|| self.dialect())
    }

    /// What was noticed before any data record was read.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Opened::Text(text) => &text.findings,
            Opened::Sheet(sheet) => &sheet.findings,
            Opened::Copied(copied) => &copied.findings,
            Opened::Sqlite(database) => &database.findings,
            Opened::Documents(documents) => &documents.findings,
            Opened::Parquet(parquet) => &parquet.findings,
            Opened::Folder(_) => &[],
        }
    }

    /// The column that holds a whole document as JSON.
    pub fn document_column(&self) -> Option<&str> {
        match self {
            Opened::Documents(documents) => documents.columns().last().map(String::as_str),
            _ => None,
        }
    }

    /// Reads every data record.
    pub fn read(&self, origin: &Origin, emit: &mut Emit<'_>) -> Result<Totals> {
        match self {
            Opened::Text(text) => text.read(origin, emit),
            Opened::Sheet(sheet) => sheet.read(origin, emit),
            Opened::Copied(copied) => copied.read(origin, emit),
            Opened::Sqlite(database) => database.read(origin, emit),
            Opened::Documents(documents) => documents.read(origin, emit),
            Opened::Parquet(parquet) => parquet.read(origin, emit),
            Opened::Folder(folder) => folder.read(origin, emit),
        }
    }

    /// The physical line, or row of the sheet, on which a data record begins; none where there is no such record.
    pub fn line_of(&self, record: u64) -> Result<Option<u64>> {
        match self {
            Opened::Text(text) => text.line_of(record),
            Opened::Sheet(sheet) => Ok(sheet.line_of(record)),
            Opened::Copied(_) => Ok(Some(record)),
            Opened::Sqlite(_) => Ok(None),
            Opened::Documents(documents) => documents.line_of(record),
            Opened::Parquet(_) | Opened::Folder(_) => Ok(Some(record)),
        }
    }

    /// Counts the data records by other means than [`Opened::read`], and hashes the bytes on the way.
    pub fn count(&self) -> Result<(u64, Fingerprint)> {
        match self {
            Opened::Text(text) => text.count(),
            Opened::Sheet(sheet) => sheet.count(),
            Opened::Copied(copied) => copied.count(),
            Opened::Sqlite(database) => database.count(),
            Opened::Documents(documents) => documents.count(),
            Opened::Parquet(parquet) => parquet.count(),
            Opened::Folder(folder) => folder.count(),
        }
    }

    /// What the file's own program finds wrong with it, which takes as long as reading it; of that, what this one of all
    /// sources of the file is to tell.
    pub fn check(&self, source: &str, all: &[(&str, &SourceConfig)]) -> Result<Vec<Finding>> {
        match self {
            Opened::Sqlite(database) => database.check(source, all),
            _ => Ok(Vec::new()),
        }
    }
}

/// The first few of many numbers, as people read them: `3, 7, 9 (+12)`.
fn some_of(numbers: &[u64], total: u64) -> String {
    let shown = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let more = total.saturating_sub(numbers.len() as u64);
    if more > 0 { format!("{shown} (+{more})") } else { shown }
}
