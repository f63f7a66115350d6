//! Which kinds of values each column holds, from a first pass over all rows: SQLite lets any value into any column.

use anyhow::Result;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use rust_i18n::t;

use super::value::Kind;
use super::{STEP, damaged};
use crate::error::interrupt;
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
    /// Texts in UTF-16 with half a character, and the first record with one.
    halves: (u64, u64),
}

impl Census {
    pub(super) fn take(connection: &Connection, file: &SourceFile, sql: &str, width: usize) -> Result<Self> {
        let mut census = Self { rows: 0, columns: vec![Column::default(); width] };
        let told = |error: rusqlite::Error| damaged(file, None, error);
        let mut statement = connection.prepare(sql).map_err(told)?;
        let mut rows = statement.query([]).map_err(told)?;
        while let Some(row) = rows.next().map_err(|error| damaged(file, Some(census.rows), error))? {
            census.rows += 1;
            for (place, column) in census.columns.iter_mut().enumerate() {
                let kind = Kind::of(&row.get_ref(place).map_err(told)?);
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

    /// Looks through the bytes of all texts of a database in UTF-16: SQLite itself reads half a character, and the one behind it,
    /// as some other one, without a word.
    pub(super) fn look_for_halves(
        &mut self,
        connection: &Connection,
        file: &SourceFile,
        sql: &str,
    ) -> Result<()> {
        let names = (0..self.columns.len()).map(|place| format!("c{place}")).collect::<Vec<_>>();
        let bytes =
            names.iter().map(|name| format!("case typeof({name}) when 'text' then cast({name} as blob) end"));
        let sql = format!(
            "with q({}) as (\n{sql}\n) select {} from q",
            names.join(", "),
            bytes.collect::<Vec<_>>().join(", ")
        );
        let told = |error: rusqlite::Error| damaged(file, None, error);
        let is_little: String =
            connection.pragma_query_value(None, "encoding", |row| row.get(0)).map_err(told)?;
        let is_little = is_little.ends_with("le");
        let mut statement = connection.prepare(&sql).map_err(told)?;
        let mut rows = statement.query([]).map_err(told)?;
        let mut record = 0;
        while let Some(row) = rows.next().map_err(|error| damaged(file, Some(record), error))? {
            record += 1;
            for (place, column) in self.columns.iter_mut().enumerate() {
                let ValueRef::Blob(bytes) = row.get_ref(place).map_err(told)? else { continue };
                if has_half(bytes, is_little) {
                    let (count, first) = column.halves;
                    column.halves = (count + 1, if first == 0 { record } else { first });
                }
            }
            if record.is_multiple_of(STEP) {
                interrupt::check()?;
            }
        }
        Ok(())
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
        if self.halves.0 > 0 {
            let detail = t!("sqlite.detail.halves", record = self.halves.1);
            found.push(
                Finding::new("half_characters", Severity::Warning, self.halves.0).column(name).detail(detail),
            );
        }
        found
    }
}

/// Whether a text in UTF-16 has half of a pair, or half a unit at its end.
fn has_half(bytes: &[u8], is_little: bool) -> bool {
    let unit = |pair: &[u8]| match is_little {
        true => u16::from_le_bytes([pair[0], pair[1]]),
        false => u16::from_be_bytes([pair[0], pair[1]]),
    };
    let units = bytes.chunks_exact(2);
    !units.remainder().is_empty() || char::decode_utf16(units.map(unit)).any(|one| one.is_err())
}
