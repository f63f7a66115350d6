//! A snapshot read without some of its columns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Snapshot;
use crate::model::ident::TableName;

/// All columns, in the files' order, of tables that are read without some of them.
pub(super) type LeftOut = BTreeMap<TableName, Vec<String>>;

impl Snapshot {
    /// The same snapshot as if it did not hold these columns. Keys stay.
    #[must_use]
    pub fn without(&self, columns: &BTreeMap<TableName, BTreeSet<String>>) -> Self {
        let mut snapshot = self.clone();
        let mut left_out = LeftOut::new();
        for entry in &mut snapshot.manifest.tables {
            let Some(columns) = columns.get(&entry.table) else { continue };
            let all = entry.columns.iter().map(|column| column.name.clone()).collect();
            let key = &entry.key;
            entry.columns.retain(|column| key.contains(&column.name) || !columns.contains(&column.name));
            left_out.insert(entry.table.clone(), all);
        }
        Self { left_out: Arc::new(left_out), ..snapshot }
    }
}
