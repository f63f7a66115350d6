//! SQLite databases: one table, view or query becomes batches.
//!
//! Declared types are not trusted: each value comes as it is stored. It is read from a file that nobody writes, a copy
//! (`copy`), so that neither the old program nor a write-ahead log beside it is touched.

mod census;
mod check;
mod copy;
mod unread;
mod value;

use std::path::Path;

use anyhow::Result;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rust_i18n::t;

use self::census::Census;
use self::value::Cells;
use super::batch::{Batcher, Origin};
use super::dialect::SqliteDialect;
use super::files::SourceFile;
use super::header::{self, Header};
use super::survey::{Fingerprint, Survey};
use super::{Emit, Finding, Portion, Severity, Totals};
use crate::config::{Empty, SourceConfig, nearest};
use crate::error::{self, Failure, interrupt};

pub(super) use self::copy::MAGIC;
pub use self::copy::{copy, is_database, logs, place};
pub use self::unread::unread;

/// Rows between two looks at the interrupt flag, and between two tellings of progress.
const STEP: u64 = 8192;
/// Bytes of a file that are mapped, at most; SQLite has a bound of its own.
const MAPPED: i64 = 1 << 31;

/// A table, view or query that is ready to be read.
pub struct Database {
    file: SourceFile,
    pub(super) dialect: SqliteDialect,
    pub(super) header: Header,
    pub(super) findings: Vec<Finding>,
    select: Select,
    /// Places of the columns that have a `_type_` column.
    typed: Vec<usize>,
    rows: u64,
    fingerprint: Fingerprint,
}

/// What is asked of the database.
struct Select {
    rows: String,
    count: String,
    /// The table that is read as a whole, where it is no view and no virtual table.
    table: Option<String>,
}

impl Database {
    /// Looks at every row once: which kinds of values each column holds.
    ///
    /// # Errors
    /// Neither table nor query given, a table that is not there, a query that is none or that writes, a damaged file.
    pub(super) fn open(
        file: &SourceFile,
        survey: &Survey,
        config: &SourceConfig,
        several: bool,
    ) -> Result<Self> {
        let connection = connect(&file.path).map_err(|error| damaged(file, None, error))?;
        let encoding: String = connection
            .pragma_query_value(None, "encoding", |row| row.get(0))
            .map_err(|error| damaged(file, None, error))?;
        let select = Select::of(&connection, file, config)?;
        let names = columns(&connection, file, &select)?;
        let mut census = Census::take(&connection, file, &select.rows, names.len())?;
        if encoding != "UTF-8" {
            census.look_for_halves(&connection, file, &select.rows)?;
        }
        let typed = census.typed(several);
        let of_types = typed.iter().map(|place| format!("_type_{}", names[*place]));
        let all: Vec<String> = names.iter().cloned().chain(of_types).collect();
        let (header, mut findings) = header::name(&all);
        findings.extend(census.findings(&header.names));
        let dialect = SqliteDialect { table: config.table.clone(), encoding };
        let (rows, fingerprint) = (census.rows, survey.fingerprint.clone());
        Ok(Self { file: file.clone(), dialect, header, findings, select, typed, rows, fingerprint })
    }

    pub(super) fn read(&self, origin: &Origin, emit: &mut Emit<'_>) -> Result<Totals> {
        let connection = connect(&self.file.path).map_err(|error| damaged(&self.file, None, error))?;
        let told = |error: rusqlite::Error| damaged(&self.file, None, error);
        let mut statement = connection.prepare(&self.select.rows).map_err(told)?;
        let mut rows = statement.query([]).map_err(told)?;
        let mut batcher = Batcher::new(origin, &self.header.names, Empty::Null);
        let mut cells = Cells::new(self.header.names.len() - self.typed.len());
        let (bytes, mut told) = (self.fingerprint.bytes, 0);
        let share = bytes / (self.rows / STEP + 1);
        loop {
            let done = batcher.record;
            let Some(row) = rows.next().map_err(|error| damaged(&self.file, Some(done), error))? else {
                break;
            };
            cells.take(row).map_err(|error| damaged(&self.file, Some(done), error))?;
            let kinds = self.typed.iter().map(|place| cells.kind(*place));
            batcher.push_cells(cells.texts().chain(kinds), |_| (done + 1).to_string(), emit)?;
            if batcher.record.is_multiple_of(STEP) {
                interrupt::check()?;
                told += share;
                emit(Portion::Progress(share))?;
            }
        }
        emit(Portion::Progress(bytes.saturating_sub(told)))?;
        let mut totals = batcher.finish(emit)?;
        if totals.rows == 0 {
            let finding = Finding::new("no_records", Severity::Warning, 1);
            totals.findings.push(finding.detail(self.file.shown.clone()));
        }
        Ok(totals)
    }

    /// Lets SQLite count: of a table it counts the entries of its smallest index, not the rows. The file's hash is not taken
    /// again: what is read is this program's own copy, and it is looked at whether it was written to.
    pub(super) fn count(&self) -> Result<(u64, Fingerprint)> {
        let connection = connect(&self.file.path).map_err(|error| damaged(&self.file, None, error))?;
        let count = connection.query_row(&self.select.count, [], |row| row.get::<_, i64>(0));
        let count = count.map_err(|error| damaged(&self.file, None, error))?;
        Ok((count.unsigned_abs(), self.fingerprint.clone()))
    }

    /// What is wrong with the file, as far as this source is to tell it among all that are asked of the file.
    pub(super) fn check(&self, source: &str, all: &[(&str, &SourceConfig)]) -> Result<Vec<Finding>> {
        let connection = connect(&self.file.path).map_err(|error| damaged(&self.file, None, error))?;
        let handle = connection.get_interrupt_handle();
        interrupt::on_request(move || handle.interrupt());
        let table = self.select.table.as_deref();
        let children = match table {
            Some(table) => vec![table.to_owned()],
            None => {
                unread::told_by(&connection, source, all).map_err(|error| damaged(&self.file, None, error))?
            }
        };
        Ok(check::findings(&connection, table, &children))
    }
}

impl Select {
    fn of(connection: &Connection, file: &SourceFile, config: &SourceConfig) -> Result<Self> {
        if let Some(query) = &config.query {
            // A misspelt "column" is an error, not a text.
            let strict = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false);
            strict.map_err(|error| damaged(file, None, error))?;
            let query = query.trim().trim_end_matches(';');
            let count = format!("select count(*) from (\n{query}\n)");
            return Ok(Self { rows: query.to_owned(), count, table: None });
        }
        let tables = tables(connection).map_err(|error| damaged(file, None, error))?;
        let Some(wanted) = &config.table else {
            return Err(Failure::usage(t!("sqlite.which_table", path = file.shown))
                .hint(t!("sqlite.which_table_hint", tables = shown(&tables)))
                .into());
        };
        let Some(found) = tables.iter().find(|table| table.name.eq_ignore_ascii_case(wanted)) else {
            return Err(no_table(file, wanted, &tables).into());
        };
        let name = quoted(&found.name);
        // Rows in the order of the table itself, whatever indexes there are.
        let is_plain = found.kind == TableKind::Plain;
        let order = if is_plain { " not indexed" } else { "" };
        Ok(Self {
            rows: format!("select * from {name}{order}"),
            count: format!("select count(*) from {name}"),
            table: is_plain.then(|| found.name.clone()),
        })
    }
}

/// A table or view of the database.
struct TableEntry {
    name: String,
    kind: TableKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TableKind {
    Plain,
    View,
    /// Its module says what is in it.
    Virtual,
}

/// Opens a file that nobody writes: no lock is taken, and nothing is written beside it.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // A connection is one thread's: SQLite need not lock for each row and cell.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(format!("file:{}?immutable=1", escaped(path)), flags)?;
    // What a view of an unknown file calls must be harmless.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Checks look up a row for each entry of an index: its pages are not copied one by one.
    connection.pragma_update(None, "mmap_size", MAPPED)?;
    Ok(connection)
}

/// A path as it stands in a URI (RFC 3986), byte by byte.
fn escaped(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let bytes = path.as_os_str().as_bytes().iter();
    bytes
        .map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A name as SQL takes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Tables and views, without what SQLite and virtual tables keep for themselves.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<TableEntry>> {
    let mut statement = connection.prepare(
        "select name, type from pragma_table_list
         where schema = 'main' and type <> 'shadow' and name not like 'sqlite\\_%' escape '\\' order by name",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let kind = match row.get::<_, String>(1)?.as_str() {
            "table" => TableKind::Plain,
            "view" => TableKind::View,
            _ => TableKind::Virtual,
        };
        Ok(TableEntry { name: row.get(0)?, kind })
    };
    statement.query_map([], read)?.collect()
}

fn shown(tables: &[TableEntry]) -> String {
    if tables.is_empty() {
        return "-".to_owned();
    }
    tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn no_table(file: &SourceFile, wanted: &str, tables: &[TableEntry]) -> Failure {
    let names: Vec<String> = tables.iter().map(|table| table.name.clone()).collect();
    let failure = Failure::failed(t!("sqlite.no_table", path = file.shown, table = wanted));
    match nearest(wanted, names.iter()).first() {
        Some(near) => failure.hint(format!("table = \"{near}\"")),
        None => failure.hint(t!("sqlite.which_table_hint", tables = shown(tables))),
    }
}

/// The columns' names; a query that is none, or that would write, is told here.
fn columns(connection: &Connection, file: &SourceFile, select: &Select) -> Result<Vec<String>> {
    let bad = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            damaged(file, None, error)
        }
        _ => {
            let message = t!("sqlite.bad_query", path = file.shown, error = error::sqlite(error));
            Failure::failed(message).hint(t!("sqlite.bad_query_hint")).into()
        }
    };
    let statement = connection.prepare(&select.rows).map_err(&bad)?;
    if !statement.readonly() || statement.column_count() == 0 || statement.is_explain() != 0 {
        return Err(Failure::usage(t!("sqlite.no_select", path = file.shown))
            .hint(t!("sqlite.bad_query_hint"))
            .into());
    }
    if statement.parameter_count() > 0 {
        let message = t!("sqlite.parameters", path = file.shown, count = statement.parameter_count());
        return Err(Failure::usage(message).hint(t!("sqlite.parameters_hint")).into());
    }
    connection.prepare(&select.count).map_err(bad)?;
    Ok(statement.column_names().map(str::to_owned).collect())
}

/// What SQLite cannot read, with how far it came and what to do.
fn damaged(file: &SourceFile, rows: Option<u64>, error: rusqlite::Error) -> anyhow::Error {
    use rusqlite::ErrorCode;
    let path = &file.shown;
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => t!("sqlite.damaged_hint", path = path),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => t!("sqlite.restless_hint", path = path),
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::OutOfMemory,
        ) => t!("sqlite.system_hint", path = path),
        _ => t!("sqlite.value_hint", path = path),
    };
    let error = error::sqlite(error);
    let message = match rows {
        Some(rows) => t!("sqlite.stopped", path = path, rows = rows, error = error),
        None => t!("sqlite.unreadable", path = path, error = error),
    };
    Failure::failed(message).hint(hint).into()
}

/// The refusal of a file that is to hold tables and is no database: nothing of an encrypted one looks like one.
pub(super) fn no_database(file: &SourceFile) -> anyhow::Error {
    Failure::failed(t!("sqlite.no_database", path = file.shown)).hint(t!("sqlite.no_database_hint")).into()
}
