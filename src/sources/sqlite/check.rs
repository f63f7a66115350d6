//! What SQLite itself finds wrong with a database: `integrity_check` and `foreign_key_check`.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rust_i18n::t;

use super::quoted;
use crate::error;
use crate::sources::{Finding, Severity};

/// How many faults are told in their words; they name tables, indexes, columns and pages.
const SHOWN: usize = 3;

/// Checks one table with its indexes, or all of the file where it is read by a query, a view or a virtual table; and the parents
/// of the rows of some tables.
pub(super) fn findings(connection: &Connection, table: Option<&str>, children: &[String]) -> Vec<Finding> {
    let scope = table.map_or_else(String::new, |table| format!("({})", quoted(table)));
    let orphans = children.iter().flat_map(|child| foreign_keys(connection, child));
    integrity(connection, &scope).into_iter().chain(orphans).collect()
}

fn integrity(connection: &Connection, scope: &str) -> Option<Finding> {
    let finding = |count: usize| Finding::new("integrity_check", Severity::Critical, count as u64);
    let faults = faults(connection, scope);
    match faults {
        Ok(faults) if faults == ["ok"] => None,
        Ok(faults) => {
            let shown = faults.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
            Some(finding(faults.len()).detail(t!("error.sqlite_says", words = shown)))
        }
        // The check itself broke off; whether the rows can be read shows when they are.
        Err(error) => Some(finding(1).detail(error::Failure::from_anyhow(&error::sqlite(error)).message)),
    }
}

fn faults(connection: &Connection, scope: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("pragma integrity_check{scope}"))?;
    let told = statement.query_map([], |row| row.get::<_, String>(0))?;
    let told = told.collect::<rusqlite::Result<Vec<_>>>()?;
    // One message may have several lines, the first of which names the database.
    let lines = told.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with("***"));
    Ok(lines.map(str::to_owned).collect())
}

/// Rows whose parent is not there, whether or not the old program had SQLite look at that.
fn foreign_keys(connection: &Connection, child: &str) -> Vec<Finding> {
    let finding = |count: u64| Finding::new("foreign_key_check", Severity::Warning, count);
    match orphans(connection, child) {
        Ok(orphans) => {
            let one = |(parent, count): (&String, &u64)| {
                finding(*count).detail(t!("sqlite.detail.orphans", table = child, parent = parent))
            };
            orphans.iter().map(one).collect()
        }
        Err(error) => vec![finding(1).detail(error::Failure::from_anyhow(&error::sqlite(error)).message)],
    }
}

/// Parent tables, and how many rows of the child lack theirs.
fn orphans(connection: &Connection, child: &str) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut statement = connection.prepare(&format!("pragma foreign_key_check({})", quoted(child)))?;
    let mut rows = statement.query([])?;
    let mut counts = BTreeMap::new();
    while let Some(row) = rows.next()? {
        *counts.entry(row.get(2)?).or_default() += 1;
    }
    Ok(counts)
}
