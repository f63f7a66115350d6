//! The keys of a table's rejected rows in a snapshot: one line a row.

use serde::{Deserialize, Serialize};

use crate::model::manifest::TableEntry;

/// One row that was rejected, as far as it is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RejectedRow {
    /// The columns of its key, in their order.
    pub key: Vec<Option<String>>,
    /// The source of its first record.
    pub source: Option<String>,
    /// What the ledger would know it by there.
    pub source_id: Option<String>,
}

impl RejectedRow {
    /// The values of its key at their places among these columns; none where a part of it is missing.
    pub fn values<'c>(
        &self,
        entry: &TableEntry,
        columns: impl Iterator<Item = &'c str>,
    ) -> Option<Vec<Option<&String>>> {
        let place = |name: &str| entry.key.iter().position(|column| column == name);
        let whole = !self.key.is_empty() && self.key.iter().all(Option::is_some);
        whole.then(|| columns.map(|name| self.key.get(place(name)?)?.as_ref()).collect())
    }
}
