//! `--fix-sql`: the statements that would make the target's rows the snapshot's. They are written, never run.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;

use super::Compared;
use super::difference::{Difference, Kind};
use crate::model::catalog::{ConstraintKind, Identity};
use crate::model::ident::{TableName, literal, quoted};
use crate::model::private;

/// Rows of one INSERT.
const ROWS: usize = 500;

/// The statements so far.
#[derive(Debug)]
pub struct Fixes {
    path: PathBuf,
    /// In push order: parents before children.
    tables: Vec<OfTable>,
}

#[derive(Debug)]
struct OfTable {
    table: TableName,
    insert: String,
    /// A row may name another one of its table, which a single statement allows.
    at_once: bool,
    rows: Vec<String>,
    updates: Vec<String>,
    deletes: Vec<String>,
    /// Statements that would undo what people did since, so they stand there as comments.
    later: Vec<String>,
}

/// What was written where.
#[derive(Debug, Clone, Serialize)]
pub struct FixReport {
    pub path: PathBuf,
    /// Rows that the statements would insert, update or delete.
    pub rows: usize,
    /// Rows that people changed since, whose statements are comments.
    pub commented: usize,
}

impl Fixes {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), tables: Vec::new() }
    }

    /// Makes room for the tables, in push order; what is told of them may come in any.
    pub(super) fn begin(&mut self, tables: &[Compared<'_>]) {
        self.tables = tables.iter().map(OfTable::new).collect();
    }

    pub(super) fn add(
        &mut self,
        compared: &Compared<'_>,
        difference: &Difference,
        expected: Option<&[Option<String>]>,
    ) -> Result<()> {
        let place = self.tables.iter().position(|one| one.table == compared.entry.table);
        let of_table = &mut self.tables[place.context("every table has a place")?];
        of_table.add(compared, difference, expected);
        Ok(())
    }

    /// Writes the file, for its owner only, where there is anything to repair.
    pub(super) fn finish(self, snapshot: &str) -> Result<Option<FixReport>> {
        let rows = self.tables.iter().map(OfTable::count).sum();
        let commented = self.tables.iter().map(|table| table.later.len()).sum();
        if rows + commented == 0 {
            return Ok(None);
        }
        let cannot = || t!("snapshot.cannot_write", path = self.path.display());
        // One that is there may be open to others, and its rights would stay.
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).with_context(cannot)?,
            _ => {}
        }
        let mut file = private::create_new(&self.path).with_context(cannot)?;
        file.write_all(self.text(snapshot).as_bytes()).with_context(cannot)?;
        file.sync_all().with_context(cannot)?;
        Ok(Some(FixReport { path: self.path, rows, commented }))
    }

    fn text(&self, snapshot: &str) -> String {
        let mut lines = vec![
            format!("-- {}", t!("verify.fix_head", snapshot = snapshot)),
            format!("-- {}", t!("verify.fix_values")),
            "begin;".to_owned(),
            "set local client_encoding = 'UTF8'; set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; \
             set local intervalstyle = 'postgres'; set local standard_conforming_strings = on;"
                .to_owned(),
            "set constraints all deferred;".to_owned(),
        ];
        for table in &self.tables {
            let rows = if table.at_once { table.rows.len().max(1) } else { ROWS };
            lines.extend(
                table.rows.chunks(rows).map(|rows| format!("{}\n{};", table.insert, rows.join(",\n"))),
            );
            lines.extend(table.updates.iter().cloned());
        }
        lines.extend(self.tables.iter().rev().flat_map(|table| table.deletes.iter().cloned()));
        if self.tables.iter().any(|table| !table.later.is_empty()) {
            lines.push(format!("-- {}", t!("verify.fix_later")));
            let later = self.tables.iter().flat_map(|table| &table.later);
            lines.extend(later.map(|statement| format!("-- {}", statement.replace('\n', "\n-- "))));
        }
        lines.push("commit;\n".to_owned());
        lines.join("\n")
    }
}

impl OfTable {
    fn new(compared: &Compared<'_>) -> Self {
        let Compared { entry, table, codec, .. } = compared;
        let itself = |kind: &ConstraintKind| matches!(kind, ConstraintKind::ForeignKey { references, .. } if *references == entry.table);
        // Numbers of our own are given to a column that makes its numbers itself.
        let own = codec.column_names().filter_map(|name| table.column(name));
        let always = own.into_iter().any(|column| column.identity == Identity::Always);
        let overriding = if always { " overriding system value" } else { "" };
        Self {
            table: entry.table.clone(),
            insert: format!(
                "insert into {} ({}){overriding} values",
                entry.table.quoted(),
                codec.column_list()
            ),
            at_once: table.foreign_keys().any(|constraint| itself(&constraint.kind)),
            rows: Vec::new(),
            updates: Vec::new(),
            deletes: Vec::new(),
            later: Vec::new(),
        }
    }

    fn count(&self) -> usize {
        self.rows.len() + self.updates.len() + self.deletes.len()
    }

    fn add(&mut self, compared: &Compared<'_>, difference: &Difference, expected: Option<&[Option<String>]>) {
        // A statement by a key that several rows have would meet them all.
        let later = difference.cause.is_some_and(super::Cause::is_later) || difference.doubled;
        let table = compared.entry.table.quoted();
        match (difference.kind, expected) {
            (Kind::Missing, Some(expected)) => {
                let row = format!("({})", expected.iter().map(value).collect::<Vec<_>>().join(", "));
                if later {
                    self.later.push(format!("{} {row};", self.insert));
                } else {
                    self.rows.push(row);
                }
            }
            (Kind::Different | Kind::Kept, Some(expected)) if !difference.columns.is_empty() => {
                let differs = |name: &str| difference.columns.iter().any(|one| one.column == name);
                let names = compared.codec.column_names().zip(expected).filter(|(name, _)| differs(name));
                let set = names.map(|(name, text)| format!("{} = {}", quoted(name), value(text)));
                let set = set.collect::<Vec<_>>().join(", ");
                let key = compared.codec.key_equals_sql("t", &literal_of(&difference.key));
                let statement = format!("update {table} t set {set} where {key};");
                if later { self.later.push(statement) } else { self.updates.push(statement) }
            }
            (Kind::Extra, _) => {
                let key = compared.codec.key_equals_sql("t", &literal_of(&difference.key));
                let statement = format!("delete from {table} t where {key};");
                if later { self.later.push(statement) } else { self.deletes.push(statement) }
            }
            _ => {}
        }
    }
}

fn value(text: &Option<String>) -> String {
    text.as_deref().map_or("null".to_owned(), literal_of)
}

/// A literal on one line, so that a comment holds all of it.
fn literal_of(text: &str) -> String {
    if !text.contains(['\n', '\r', '\\']) {
        return literal(text);
    }
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    format!("E{}", literal(&escaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_stays_on_its_line() {
        assert_eq!(literal_of("a'b"), "'a''b'");
        assert_eq!(literal_of("a\\'\n; drop table x; --"), "E'a\\\\''\\n; drop table x; --'");
        assert_eq!(value(&None), "null");
    }
}
