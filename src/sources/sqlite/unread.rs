//! Tables of a database that nothing asks for: what is in them would be lost without a word.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use super::{TableEntry, connect, quoted, tables};
use crate::config::SourceConfig;

/// The tables with rows that none of the sources reads, neither itself nor through a view or query, in name order. A
/// database that cannot be read has none: that is told where it is loaded.
pub fn unread(path: &Path, sources: &[&SourceConfig]) -> Vec<String> {
    find(path, sources).unwrap_or_default()
}

fn find(path: &Path, sources: &[&SourceConfig]) -> rusqlite::Result<Vec<String>> {
    let connection = connect(path)?;
    let mut pages = BTreeSet::new();
    for source in sources {
        // What cannot be asked is told where it is loaded.
        pages.extend(opened(&connection, &asked(source)).unwrap_or_default());
    }
    let mut unread = Vec::new();
    for TableEntry { name, is_plain } in tables(&connection)? {
        let is_named = |source: &&SourceConfig| {
            source.table.as_ref().is_some_and(|table| table.eq_ignore_ascii_case(&name))
        };
        if !is_plain || sources.iter().any(is_named) {
            continue;
        }
        let roots = "select rootpage from sqlite_schema where tbl_name = ? collate nocase";
        let mut statement = connection.prepare(roots)?;
        let roots =
            statement.query_map([&name], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        if roots.iter().any(|root| pages.contains(root)) {
            continue;
        }
        let is_filled = format!("select exists (select 1 from {})", quoted(&name));
        if connection.query_row(&is_filled, [], |row| row.get(0))? {
            unread.push(name);
        }
    }
    Ok(unread)
}

fn asked(source: &SourceConfig) -> String {
    match (&source.query, &source.table) {
        (Some(query), _) => query.trim().trim_end_matches(';').to_owned(),
        (None, Some(table)) => format!("select * from {}", quoted(table)),
        (None, None) => "select 1".to_owned(),
    }
}

/// The root pages of the tables and indexes that a query opens, from its program
/// (<https://sqlite.org/opcode.html>, `OpenRead`: P2 is the page, P3 the database).
fn opened(connection: &Connection, query: &str) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare(&format!("explain {query}"))?;
    let mut rows = statement.query([])?;
    let mut pages = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, String>(1)? == "OpenRead" && row.get::<_, i64>(4)? == 0 {
            pages.push(row.get(3)?);
        }
    }
    Ok(pages)
}
