//! Drivers print cell values in their messages; these functions keep what names the place and drop what was in it.

use std::fmt;
use std::io::ErrorKind;

use rust_i18n::t;

use super::{Failure, KeyClash};

/// A driver's error without any value of a cell.
#[derive(Debug)]
pub(super) struct Driver {
    text: String,
    /// Whose words they are, where not ours: the key of the sentence that says so.
    says: Option<&'static str>,
}

impl fmt::Display for Driver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Driver {
    /// As people meet it: who speaks other words than ours is named.
    pub(super) fn told(&self) -> String {
        match self.says {
            Some(key) => t!(key, words = self.text).into_owned(),
            None => self.text.clone(),
        }
    }
}

impl std::error::Error for Driver {}

/// DuckDB error kinds whose text speaks of SQL and names only, never of data.
const DUCKDB_SAFE: [&str; 9] = [
    "Parser Error",
    "Syntax Error",
    "Binder Error",
    "Catalog Error",
    "IO Error",
    "Out of Memory Error",
    "TransactionContext Error",
    "INTERRUPT Error",
    "Permission Error",
];

/// Turns a DuckDB error into one that holds no cell value.
///
/// Messages about names and syntax stay; in all others every quoted part and number is masked, since DuckDB quotes
/// the offending value there (`Could not convert string '…' to INT32`).
pub fn duckdb(error: duckdb::Error) -> anyhow::Error {
    let text = match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message,
        other => other.to_string(),
    };
    let safe = DUCKDB_SAFE.iter().any(|kind| text.starts_with(kind));
    let text = if safe { text } else { masked(text.lines().next().unwrap_or_default()) };
    Driver { text, says: Some("error.duckdb_says") }.into()
}

/// Replaces everything between quotes, and every number that stands for itself, by an ellipsis.
fn masked(text: &str) -> String {
    without_numbers(&without_quoted(text))
}

/// `value 600123456 … INT32` loses its number and keeps the name of the type.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut inside_word = false;
    for c in text.chars() {
        if c.is_ascii_digit() && !inside_word {
            if !out.ends_with('…') {
                out.push('…');
            }
            continue;
        }
        inside_word = c.is_alphanumeric() || c == '_';
        out.push(c);
    }
    out
}

/// The first quote that is no apostrophe within a word, as in `can't`.
fn opening_quote(text: &str) -> Option<usize> {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let quotes = text.match_indices(['\'', '"']).map(|(position, _)| position);
    let mut opening = quotes
        .filter(|at| !(letter(text[..*at].chars().next_back()) && letter(text[at + 1..].chars().next())));
    opening.next()
}

fn without_quoted(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = opening_quote(rest) {
        let quote = &rest[start..=start];
        out.push_str(&rest[..start]);
        out.push_str("'…'");
        let after = &rest[start + 1..];
        // The last quote on the line: a value may hold quotes itself, so nothing between the outer pair survives.
        rest = after.rfind(quote).map_or("", |end| &after[end + 1..]);
    }
    out.push_str(rest);
    out
}

/// Turns a PostgreSQL error into one that holds no cell value: SQLSTATE, and the schema, table, column, constraint
/// that the server names. The server's sentence is kept only for classes that speak of names (connection, privilege,
/// syntax, resources, operator intervention), not for data and constraint errors (classes 22, 23, P0...).
///
/// What has a usual remedy carries it as a hint.
pub fn postgres(error: &tokio_postgres::Error) -> anyhow::Error {
    let text = text(error);
    let (remedy, passing, clash) = (remedy(error), passing(error), clash(error));
    if remedy.is_none() && passing.is_none() && clash.is_none() {
        return Driver { text, says: None }.into();
    }
    Failure {
        hints: remedy.into_iter().collect(),
        passing,
        clash: clash.map(Box::new),
        ..Failure::failed(text)
    }
    .into()
}

fn clash(error: &tokio_postgres::Error) -> Option<KeyClash> {
    let db = error.as_db_error().filter(|db| matches!(db.code().code(), "23505" | "23P01"))?;
    let (schema, table, key) = (db.schema()?, db.table()?, db.constraint()?);
    Some(KeyClash { schema: schema.to_owned(), table: table.to_owned(), key: key.to_owned() })
}

/// SQLSTATEs of what can pass by itself: the connection, the server's start and end, others' locks and transactions. What
/// the server says of passwords, names, full disks and rows stays as it is however often it is asked.
const PASSING: [&str; 8] = ["40001", "40003", "40P01", "53300", "55P03", "57P01", "57P02", "57P03"];

/// What it is that can pass by itself, if that is all that is wrong.
pub fn passing(error: &tokio_postgres::Error) -> Option<String> {
    use std::error::Error as _;
    if let Some(state) = error.code() {
        let code = state.code();
        // All of class 08 but a violated protocol.
        let connection = code.starts_with("08") && code != "08P01";
        return (connection || PASSING.contains(&code)).then(|| code.to_owned());
    }
    if error.is_closed() {
        return Some("closed".to_owned());
    }
    let system = error.source()?.downcast_ref::<std::io::Error>()?;
    passing_word(system.kind()).map(str::to_owned)
}

/// A socket that is not there is one of a server that starts just now, or of none.
fn passing_word(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::ConnectionRefused => "refused",
        ErrorKind::NotFound => "no socket",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => "reset",
        ErrorKind::UnexpectedEof | ErrorKind::NotConnected => "closed",
        ErrorKind::TimedOut => "timeout",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "unreachable",
        _ => return None,
    })
}

/// What to do about errors that have nothing to do with what was asked.
fn remedy(error: &tokio_postgres::Error) -> Option<String> {
    let Some(state) = error.code() else {
        return passing(error).map(|_| t!("error.lost_hint").into_owned());
    };
    let key = match state.code() {
        "57P01" | "57P02" | "57P03" | "57P05" => "error.lost_hint",
        "53100" => "error.disk_full_hint",
        "53200" | "53300" | "53400" => "error.later_hint",
        "55P03" => "error.locked_hint",
        "25006" => "error.read_only_hint",
        "42501" if error.as_db_error().is_some_and(|db| db.message().contains("row-level security")) => {
            "error.row_security_hint"
        }
        "42501" => "error.privilege_hint",
        "40001" | "40P01" => "error.again_hint",
        "23502" | "23514" => "error.rule_hint",
        "23503" => "error.foreign_key_hint",
        "23505" | "23P01" => "error.unique_hint",
        "P0001" | "P0004" => "error.raised_hint",
        code if function(error.as_db_error().and_then(|db| db.where_())).is_some()
            && code.starts_with("22") =>
        {
            "error.raised_hint"
        }
        _ => return None,
    };
    let table = error.as_db_error().and_then(|db| db.table()).unwrap_or_default();
    Some(t!(key, table = table).into_owned())
}

/// What the server refused, in our words; its own where they speak of names, not of values.
fn text(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        return connection_text(error);
    };
    let code = db.code().code();
    let mut place = vec![format!("SQLSTATE {code}")];
    let named = [
        ("error.pg.table", db.table()),
        ("error.pg.column", db.column()),
        ("error.pg.constraint", db.constraint()),
        ("error.pg.type", db.datatype()),
        ("error.pg.function", function(db.where_())),
    ];
    place.extend(named.iter().filter_map(|(key, name)| Some(t!(*key, name = (*name)?).into_owned())));
    let mut text = format!("{} ({})", t!(sentence(code)), place.join(", "));
    let speaks_of_names =
        ["08", "0A", "25", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"];
    if speaks_of_names.contains(&&code[..2]) {
        text.push_str(&t!("error.pg.server_says", words = db.message()));
    }
    text
}

/// The sentence for an SQLSTATE, else for its class.
fn sentence(code: &str) -> &'static str {
    match code {
        "23502" => return "error.pg.not_null",
        "23503" => return "error.pg.foreign_key",
        "23505" | "23P01" => return "error.pg.unique",
        "23514" => return "error.pg.check",
        "25006" => return "error.pg.read_only",
        "42501" => return "error.pg.privilege",
        "42P01" | "42703" | "42883" | "3F000" => return "error.pg.no_such_name",
        "53100" => return "error.pg.disk_full",
        "55P03" => return "error.pg.locked",
        "57014" => return "error.pg.cancelled",
        _ => {}
    }
    match &code[..2] {
        "08" => "error.pg.connection",
        "22" | "21" => "error.pg.value",
        "23" => "error.pg.constraint_broken",
        "28" => "error.pg.login",
        "3D" => "error.pg.no_database",
        "40" => "error.pg.crossed",
        "42" => "error.pg.statement",
        "53" | "54" => "error.pg.resources",
        "57" => "error.pg.stopped",
        "P0" | "38" | "39" => "error.pg.raised",
        _ => "error.pg.refused",
    }
}

/// The function that was running, of a context such as `PL/pgSQL function touch() line 3 at RAISE`; what else stands there may
/// hold values.
fn function(context: Option<&str>) -> Option<&str> {
    let rest = context?.lines().next_back()?.strip_prefix("PL/pgSQL function ")?;
    let name = rest.split_once(" line ").map_or(rest, |(name, _)| name);
    (!name.contains('\'')).then_some(name)
}

fn connection_text(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    if error.is_closed() {
        return t!("error.lost").into_owned();
    }
    match error.source() {
        Some(source) => {
            let words = format!("{error}: {source}");
            format!("{}{}", t!("error.pg.connection"), t!("error.pg.system_says", words = words))
        }
        None => error.to_string(),
    }
}

/// How SQLite begins what it says of names; anything else that it says of a row may hold its values.
const SQLITE_SAFE: [&str; 5] =
    ["no such", "unsafe use", "foreign key mismatch", "malformed database schema", "unknown database"];

/// Turns a SQLite error into one that holds no cell value: what is wrong with the SQL, else the kind of the error.
pub fn sqlite(error: rusqlite::Error) -> anyhow::Error {
    use rusqlite::Error;
    let text = match error {
        Error::SqlInputError { msg, .. } => msg,
        Error::SqliteFailure(_, Some(text)) if SQLITE_SAFE.iter().any(|start| text.starts_with(start)) => {
            text
        }
        Error::SqliteFailure(code, _) => rusqlite::ffi::code_to_str(code.extended_code).to_owned(),
        Error::FromSqlConversionFailure(place, kind, _) | Error::InvalidColumnType(place, _, kind) => {
            format!("column {}: {kind}", place + 1)
        }
        other => other.to_string(),
    };
    Driver { text, says: Some("error.sqlite_says") }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_error_keeps_its_names_and_shows_no_value() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("create table t (a text); insert into t values ('Ana')").unwrap();
        let error = |sql: &str| {
            let read = connection.query_row(sql, [], |row| row.get::<_, String>(0));
            sqlite(read.unwrap_err()).to_string()
        };
        assert_eq!(error("select nombre from t"), "no such column: nombre");
        assert_eq!(error("select json_extract('{}', a) from t"), "SQL logic error");
        let error = connection.query_row("select a from t", [], |row| row.get::<_, i64>(0)).unwrap_err();
        assert!(!sqlite(error).to_string().contains("Ana"));
    }

    #[test]
    fn a_duckdb_conversion_error_shows_no_value() {
        let connection = duckdb::Connection::open_in_memory().unwrap();
        let error = connection.execute_batch("select cast('Ana O''Hara 600' as integer)").unwrap_err();
        let text = duckdb(error).to_string();
        assert!(!text.contains("Ana") && !text.contains("Hara") && text.contains("INT32"), "{text}");
    }

    #[test]
    fn a_number_is_a_value_too() {
        let connection = duckdb::Connection::open_in_memory().unwrap();
        for sql in ["select 600123456789::bigint::integer", "select 600123456789.5::decimal(4,1)"] {
            let error = connection.execute_batch(sql).unwrap_err();
            let text = duckdb(error).to_string();
            assert!(!text.contains("600") && text.contains("value"), "{text}");
            assert!(
                text.contains("INT32") || text.contains("DECIMAL"),
                "what it was to become is told: {text}"
            );
        }
    }

    #[test]
    fn a_duckdb_name_error_keeps_its_names() {
        let connection = duckdb::Connection::open_in_memory().unwrap();
        let error = connection.execute_batch("select * from clean.patietn").unwrap_err();
        assert!(duckdb(error).to_string().contains("patietn"));
    }
}
