//! Tables of a database that nothing asks for: what is in them would be lost without a word.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use super::{TableEntry, TableKind, connect, quoted, tables};
use crate::config::SourceConfig;

/// The tables with rows that none of the sources reads, neither itself nor through a view or query, in name order. A
/// database that cannot be read has none: that is told where it is loaded.
pub fn unread(path: &Path, sources: &[&SourceConfig]) -> Vec<String> {
    find(path, sources).unwrap_or_default()
}

fn find(path: &Path, sources: &[&SourceConfig]) -> rusqlite::Result<Vec<String>> {
    let connection = connect(path)?;
    let mut read = BTreeSet::new();
    for source in sources {
        // What cannot be asked is told where it is loaded.
        read.extend(opened(&connection, &asked(source)).unwrap_or_default());
    }
    let mut unread = Vec::new();
    for TableEntry { name, kind } in tables(&connection)? {
        let is_named = |source: &&SourceConfig| {
            source.table.as_ref().is_some_and(|table| table.eq_ignore_ascii_case(&name))
        };
        if sources.iter().any(is_named) {
            continue;
        }
        let is_lost = match kind {
            TableKind::Plain => {
                let roots = roots(&connection, &name)?;
                roots.is_disjoint(&read) && is_filled(&connection, &name)?
            }
            TableKind::Virtual => is_own(&connection, &name)? && is_lost_in(&connection, &name, &read),
            TableKind::View => false,
        };
        if is_lost {
            unread.push(name);
        }
    }
    Ok(unread)
}

/// The tables of whose rows a source tells that they lack a parent: those that it reads and, where it is the first of all sources of
/// the file that looks at more than one table, those that none of them reads.
pub(super) fn told_by(
    connection: &Connection,
    source: &str,
    all: &[(&str, &SourceConfig)],
) -> rusqlite::Result<Vec<String>> {
    let mut tables = tables(connection)?;
    tables.retain(|table| table.kind == TableKind::Plain);
    let is_one_table = |config: &SourceConfig| {
        let named = config.table.as_ref().filter(|_| config.query.is_none());
        named.is_some_and(|name| tables.iter().any(|table| table.name.eq_ignore_ascii_case(name)))
    };
    let first = all.iter().find(|(_, config)| !is_one_table(config)).map(|(name, _)| *name);
    // What cannot be asked is told where it is loaded.
    let read =
        all.iter().map(|(name, config)| (*name, opened(connection, &asked(config)).unwrap_or_default()));
    let read: Vec<(&str, BTreeSet<Opened>)> = read.collect();
    let mut told = Vec::new();
    for TableEntry { name, .. } in &tables {
        let roots = roots(connection, name)?;
        let mut readers = read.iter().filter(|(_, opened)| !opened.is_disjoint(&roots)).peekable();
        if readers.peek().is_none() && first == Some(source) || readers.any(|(reader, _)| *reader == source) {
            told.push(name.clone());
        }
    }
    Ok(told)
}

fn asked(source: &SourceConfig) -> String {
    match (&source.query, &source.table) {
        (Some(query), _) => query.trim().trim_end_matches(';').to_owned(),
        (None, Some(table)) => whole(table),
        (None, None) => "select 1".to_owned(),
    }
}

fn whole(table: &str) -> String {
    format!("select * from {}", quoted(table))
}

fn is_filled(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    connection.query_row(&format!("select exists ({})", whole(table)), [], |row| row.get(0))
}

/// Where the table and its indexes begin.
fn roots(connection: &Connection, table: &str) -> rusqlite::Result<BTreeSet<Opened>> {
    let roots = "select rootpage from sqlite_schema where tbl_name = ? collate nocase";
    connection.prepare(roots)?.query_map([table], |row| row.get(0).map(Opened::Page))?.collect()
}

/// Whether a virtual table keeps rows of its own: none that shows another's index, nor one whose texts stand in another table
/// (`content=`, <https://sqlite.org/fts5.html#external_content_tables>).
fn is_own(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let made = "select lower(sql) from sqlite_schema where name = ? collate nocase";
    let made: String = connection.query_row(made, [table], |row| row.get(0))?;
    let written: String = made.chars().filter(|letter| !letter.is_whitespace()).collect();
    let shows_another =
        ["fts5vocab", "fts4aux", "fts3tokenize", "dbstat"].iter().any(|module| made.contains(module));
    Ok(!shows_another && !written.contains(",content=") && !written.contains("(content="))
}

/// Whether a virtual table holds rows that nothing read; one whose module is not known here (`no such module`) may.
fn is_lost_in(connection: &Connection, table: &str, read: &BTreeSet<Opened>) -> bool {
    opened(connection, &whole(table)).map_or(true, |own| own.is_disjoint(read))
        && is_filled(connection, table).unwrap_or(true)
}

/// What a query opens of the file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Opened {
    /// The root page of a table or index.
    Page(i64),
    /// A virtual table, as this connection calls it.
    Virtual(String),
}

/// What a query opens, from its program (<https://sqlite.org/opcode.html>; `OpenRead`: P2 is the page, P3 the database; `VOpen`: P4
/// is the virtual table).
fn opened(connection: &Connection, query: &str) -> rusqlite::Result<BTreeSet<Opened>> {
    let mut statement = connection.prepare(&format!("explain {query}"))?;
    let mut rows = statement.query([])?;
    let mut opened = BTreeSet::new();
    while let Some(row) = rows.next()? {
        match row.get::<_, String>(1)?.as_str() {
            "OpenRead" if row.get::<_, i64>(4)? == 0 => drop(opened.insert(Opened::Page(row.get(3)?))),
            "VOpen" => drop(opened.insert(Opened::Virtual(row.get(5)?))),
            _ => {}
        }
    }
    Ok(opened)
}
