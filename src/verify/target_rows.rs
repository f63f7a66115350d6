//! Rows of the target by key, column by column.

use std::collections::HashMap;

use anyhow::{Result, anyhow};

use super::difference::{ColumnDifference, Values};
use super::{Compared, Options};
use crate::codec::TableCodec;
use crate::error;
use crate::model::ident::quoted;

/// A row as the target has it.
pub(super) struct TargetRow {
    /// Each column's bytes in the digest.
    bytes: Vec<Vec<u8>>,
    /// Each column's text.
    texts: Vec<Option<String>>,
    /// The digest of the whole row, where that can be told and was asked for.
    pub(super) stored: Option<Vec<u8>>,
}

/// What is asked of a row beside its columns.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Asked {
    Columns,
    Stored,
}

/// The rows that have these keys, whoever wrote them.
pub(super) async fn target_rows(
    options: &Options<'_>,
    compared: &Compared<'_>,
    keys: &[&str],
    asked: Asked,
) -> Result<HashMap<String, TargetRow>> {
    let Compared { entry, table, codec, .. } = compared;
    let names: Vec<&str> = codec.column_names().collect();
    let bytes =
        (0..names.len()).map(|place| codec.column_digest_sql("t", place)).collect::<Vec<_>>().join(", ");
    let texts = names.iter().map(|name| format!("t.{}::text", quoted(name))).collect::<Vec<_>>().join(", ");
    // A column whose type cannot be compared keeps us from saying whether the whole row is as it was stored.
    let stored = match asked {
        Asked::Columns => None,
        Asked::Stored => TableCodec::of_table(table, &entry.key).ok().map(|codec| codec.digest_sql("t")),
    };
    let sql = format!(
        "select {}, {bytes}, {texts}, {} from {} t where {}",
        codec.key_sql("t"),
        stored.as_deref().unwrap_or("null::bytea"),
        entry.table.quoted(),
        codec.key_among_sql("t", "$1::text[]"),
    );
    let rows = options.client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
    let count = names.len();
    let read = |row: &tokio_postgres::Row| {
        let there = TargetRow {
            bytes: (1..=count).map(|place| row.get(place)).collect(),
            texts: (1 + count..=2 * count).map(|place| row.get(place)).collect(),
            stored: row.get(1 + 2 * count),
        };
        (row.get(0), there)
    };
    Ok(rows.iter().map(read).collect())
}

impl TargetRow {
    /// Whether a column is as the snapshot has it.
    pub(super) fn is_equal(
        &self,
        compared: &Compared<'_>,
        expected: &[Option<String>],
        place: usize,
    ) -> Result<bool> {
        let ours = compared.codec.column_digest(expected, place);
        Ok(self.bytes[place] == ours.map_err(|refused| anyhow!("{}", refused.refusal.rule()))?)
    }

    /// A column's bytes in the digest.
    pub(super) fn bytes(&self, place: usize) -> &[u8] {
        &self.bytes[place]
    }

    /// A column's text.
    pub(super) fn text(&self, place: usize) -> Option<&str> {
        self.texts[place].as_deref()
    }

    /// Both sides' values, for a terminal.
    pub(super) fn values(&self, expected: &[Option<String>], place: usize) -> Values {
        Values { expected: expected[place].clone(), found: self.texts[place].clone() }
    }

    /// The columns that are not as the snapshot has them.
    pub(super) fn columns(
        &self,
        options: &Options<'_>,
        compared: &Compared<'_>,
        expected: &[Option<String>],
    ) -> Result<Vec<ColumnDifference>> {
        let mut columns = Vec::new();
        for (place, name) in compared.codec.column_names().enumerate() {
            if !self.is_equal(compared, expected, place)? {
                let values = options.show_values.then(|| self.values(expected, place));
                columns.push(ColumnDifference { column: name.to_owned(), values });
            }
        }
        Ok(columns)
    }
}
