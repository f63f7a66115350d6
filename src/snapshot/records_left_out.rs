//! Which records rows that are left out were made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;

use super::{Row, Snapshot};
use crate::model::ident::TableName;
use crate::model::left_out::LeftOut;
use crate::model::manifest::TableEntry;

/// By table, the keys of rows that are left out, and why.
pub type LeftOutRows = BTreeMap<TableName, HashMap<String, String>>;

impl Snapshot {
    /// The records all of whose rows are left out, in the tables that decide about them: a source's primary one, as `primary`
    /// gives it, or any. `key` gives the text of a row's key.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn records_left_out<'c>(
        &self,
        rows: &LeftOutRows,
        primary: impl Fn(&str) -> Option<&'c TableName>,
        key: impl Fn(&TableEntry, &Row<'_>) -> Result<String>,
    ) -> Result<Vec<LeftOut>> {
        let decides = |source: &str, table: &TableName| primary(source).is_none_or(|one| one == table);
        let why = |entry: &TableEntry, row: &Row<'_>| -> Result<Option<&String>> {
            let Some(keys) = rows.get(&entry.table) else { return Ok(None) };
            Ok(keys.get(&key(entry, row)?))
        };
        let mut found: BTreeMap<String, LeftOut> = BTreeMap::new();
        for entry in self.manifest().tables.iter().filter(|entry| rows.contains_key(&entry.table)) {
            let mut reader = self.rows(entry)?;
            while let Some(row) = reader.next_row()? {
                let Some((record, source)) = origin(&row).filter(|(_, source)| decides(source, &entry.table))
                else {
                    continue;
                };
                if let Some(why) = why(entry, &row)? {
                    found.entry(record.to_owned()).or_insert_with(|| LeftOut {
                        source: source.to_owned(),
                        record: record.to_owned(),
                        source_id: row.source_id.as_deref().map(str::to_owned),
                        why: why.clone(),
                    });
                }
            }
        }
        let sources: BTreeSet<String> = found.values().map(|one| one.source.clone()).collect();
        let decide = |entry: &&TableEntry| sources.iter().any(|source| decides(source, &entry.table));
        for entry in self.manifest().tables.iter().filter(decide) {
            let mut reader = self.rows(entry)?;
            while let Some(row) = reader.next_row()? {
                let Some((record, source)) = origin(&row) else { continue };
                if found.contains_key(record) && decides(source, &entry.table) && why(entry, &row)?.is_none()
                {
                    found.remove(record);
                }
            }
        }
        Ok(found.into_values().collect())
    }
}

/// The first record that a row was made of, and its source.
fn origin<'r>(row: &'r Row<'_>) -> Option<(&'r str, &'r str)> {
    let record = row.origin.as_deref()?;
    Some((record, record.split(':').next()?))
}
