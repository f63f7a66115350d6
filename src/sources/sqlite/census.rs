//! Which kinds of values each column holds, from a first pass over all rows: SQLite lets any value into any column.

use anyhow::Result;
use rusqlite::Connection;
use rust_i18n::t;

use super::value::Kind;
use super::{STEP, damaged};
use crate::error::{self, interrupt};
use crate::sources::files::SourceFile;
use crate::sources::{Finding, Severity};

/// What was counted.
pub(super) struct Census {
    pub(super) rows: u64,
    columns: Vec<Column>,
}

#[derive(Debug, Clone, Default)]
struct Column {
    /// By kind, in the order of [`Kind::ALL`].
    counts: [u64; Kind::ALL.len()],
    /// The first record whose text is not UTF-8; 0 for none.
    first_bytes: u64,
}

impl Census {
    pub(super) fn take(connection: &Connection, file: &SourceFile, sql: &str, width: usize) -> Result<Self> {
        let mut census = Self { rows: 0, columns: vec![Column::default(); width] };
        let mut statement = connection.prepare(sql).map_err(error::sqlite)?;
        let mut rows = statement.query([]).map_err(error::sqlite)?;
        while let Some(row) = rows.next().map_err(|error| damaged(file, Some(census.rows), error))? {
            census.rows += 1;
            for (place, column) in census.columns.iter_mut().enumerate() {
                let kind = Kind::of(&row.get_ref(place).map_err(error::sqlite)?);
                column.counts[kind as usize] += 1;
                if kind == Kind::Bytes && column.first_bytes == 0 {
                    column.first_bytes = census.rows;
                }
            }
            if census.rows.is_multiple_of(STEP) {
                interrupt::check()?;
            }
        }
        Ok(census)
    }

    /// The columns that need another one to tell what each value is: those with values of several kinds, or with texts
    /// that come as hex. Where parts of one table are in several files, whose columns must agree, all do.
    pub(super) fn typed(&self, several: bool) -> Vec<usize> {
        let needs = |place: &usize| {
            let column = &self.columns[*place];
            several || column.kinds().count() > 1 || column.first_bytes > 0
        };
        (0..self.columns.len()).filter(needs).collect()
    }

    pub(super) fn findings(&self, names: &[String]) -> Vec<Finding> {
        self.columns.iter().zip(names).flat_map(|(column, name)| column.findings(name)).collect()
    }
}

impl Column {
    /// The kinds of values that there are, and how many.
    fn kinds(&self) -> impl Iterator<Item = (Kind, u64)> {
        let counted = Kind::ALL.into_iter().zip(self.counts);
        counted.filter(|(kind, count)| *kind != Kind::Null && *count > 0)
    }

    fn findings(&self, name: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        let kinds: Vec<_> = self.kinds().collect();
        if kinds.len() > 1 {
            let all: u64 = kinds.iter().map(|(_, count)| count).sum();
            let most = kinds.iter().map(|(_, count)| *count).max().unwrap_or_default();
            let numbers = kinds.iter().all(|(kind, _)| matches!(kind, Kind::Integer | Kind::Real));
            let severity = if numbers { Severity::Info } else { Severity::Warning };
            let shown = |(kind, count): &(Kind, u64)| format!("{} {count}", kind.name().unwrap_or_default());
            let detail = kinds.iter().map(shown).collect::<Vec<_>>().join(", ");
            found.push(Finding::new("mixed_types", severity, all - most).column(name).detail(detail));
        }
        let of = |kind: Kind| self.counts[kind as usize];
        if of(Kind::Blob) > 0 {
            found.push(Finding::new("blobs", Severity::Info, of(Kind::Blob)).column(name));
        }
        if self.first_bytes > 0 {
            let detail = t!("sqlite.detail.not_utf8", record = self.first_bytes);
            let finding = Finding::new("undecodable_text", Severity::Warning, of(Kind::Bytes));
            found.push(finding.column(name).detail(detail));
        }
        found
    }
}
