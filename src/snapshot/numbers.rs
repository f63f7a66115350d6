//! A snapshot read with numbers in place of the placeholders of new keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use rust_i18n::t;

use super::{RowReader, Snapshot};
use crate::error::Failure;
use crate::model::catalog::Catalog;
use crate::model::ident::TableName;
use crate::model::keys::{Keys, Numbers, Record, placeholder};
use crate::model::manifest::TableEntry;

/// By table and column, the table whose new keys the column holds, and their numbers.
pub(super) type Numbered = BTreeMap<TableName, BTreeMap<String, (TableName, Arc<Numbers>)>>;

impl Snapshot {
    /// The tables with new keys.
    pub fn with_new_keys(&self) -> impl Iterator<Item = &TableEntry> {
        self.manifest.tables.iter().filter(|entry| entry.keys == Keys::New)
    }

    /// What the ledger knows each row of a table with new keys by.
    pub fn records(&self, entry: &TableEntry) -> Result<Records> {
        let key = entry.columns.iter().position(|column| entry.key == [column.name.as_str()]);
        let sources = self.manifest.sources.iter().map(|source| source.source.clone()).collect();
        Ok(Records { reader: self.rows(entry)?, table: entry.table.to_string(), key, sources, row: 0 })
    }

    /// The same snapshot, whose rows have these numbers for the tables' placeholders: in the keys and in the columns
    /// that, by the catalog's foreign keys, hold them.
    pub fn numbered(&self, catalog: &Catalog, numbers: BTreeMap<TableName, Numbers>) -> Self {
        let numbers: BTreeMap<TableName, Arc<Numbers>> =
            numbers.into_iter().map(|(name, numbers)| (name, Arc::new(numbers))).collect();
        let is_new = |table: &TableName| numbers.contains_key(table);
        let columns_of = |entry: &TableEntry| {
            let holders = entry.columns.iter().filter_map(|column| {
                let table = catalog.new_key_of(&entry.table, &column.name, &is_new)?;
                let numbers = Arc::clone(&numbers[&table]);
                Some((column.name.clone(), (table, numbers)))
            });
            (entry.table.clone(), holders.collect())
        };
        Self { numbered: Arc::new(self.manifest.tables.iter().map(columns_of).collect()), ..self.clone() }
    }

    /// The columns of a table that hold new keys, and of which table.
    pub fn numbered_columns(&self, table: &TableName) -> BTreeMap<&str, &TableName> {
        let columns = self.numbered.get(table).into_iter().flatten();
        columns.map(|(column, (table, _))| (column.as_str(), table)).collect()
    }

    /// The columns of a table that hold no new keys: a number that is not reserved for a row yet is another one in each run.
    pub fn steady_columns(&self, entry: &TableEntry) -> Vec<String> {
        let numbered = self.numbered_columns(&entry.table);
        let names = entry.columns.iter().map(|column| column.name.clone());
        names.filter(|name| !numbered.contains_key(name.as_str())).collect()
    }

    /// The numbers of every table that has some.
    pub fn numbers(&self) -> BTreeMap<&TableName, &Numbers> {
        self.numbered.values().flatten().map(|(_, (table, numbers))| (table, numbers.as_ref())).collect()
    }
}

/// Reads [`Record`]s.
pub struct Records {
    reader: RowReader,
    table: String,
    key: Option<usize>,
    sources: Vec<String>,
    row: u64,
}

impl Iterator for Records {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row += 1;
        let row = match self.reader.next_row() {
            Ok(row) => row?,
            Err(error) => return Some(Err(error)),
        };
        let key = self.key.and_then(|place| row.values[place].as_deref());
        let known = |kind: &str| kind == self.table || self.sources.iter().any(|source| source == kind);
        let record = match (key.and_then(placeholder), row.external_id(&self.table), &row.source_id) {
            (Some(placeholder), Some((kind, source_id)), Some(_)) if known(kind) => {
                Ok(Record { placeholder, kind: kind.to_owned(), source_id: source_id.to_owned() })
            }
            _ => Err(Failure::failed(t!("snapshot.no_placeholder", table = self.table, row = self.row))
                .hint(t!("snapshot.no_placeholder_hint"))
                .into()),
        };
        Some(record)
    }
}
