//! The plan of a rollback: for every table what goes, what comes back, and what speaks against it.

use anyhow::Result;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::batch::Batch;
use super::conflict::Conflict;
use super::others::Others;
use super::trigger::Elsewhere;
use crate::model::ident::TableName;

/// What a rollback will do. Two equal plans have equal ids.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    pub id: String,
    /// Taken back in this order: the newest first.
    pub batches: Vec<Batch>,
    /// In the order in which rows are deleted: children before their parents.
    pub tables: Vec<TablePlan>,
    /// Triggers that ran when the batches were written, and wrote elsewhere: that is not taken back.
    pub elsewhere: Vec<Elsewhere>,
    /// By force: rows that are not the batches' and that foreign keys delete or change with theirs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Others>,
}

#[derive(Debug, Clone, Serialize)]
pub struct TablePlan {
    pub table: TableName,
    /// Rows that the batches inserted, and that go.
    pub deletes: u64,
    /// Rows that the batches changed, and that get their values back.
    pub updates: u64,
    /// Rows that the batches deleted, and that come back.
    pub inserts: u64,
    /// Rows that the batches inserted, and that somebody deleted since.
    pub gone: u64,
    /// All its rows go, so it is emptied as a whole (TRUNCATE).
    pub emptied: bool,
    pub conflicts: Vec<Conflict>,
    /// Triggers that are disabled meanwhile.
    pub triggers: Vec<String>,
}

impl TablePlan {
    /// Rows that are left as they are, though the batches wrote them.
    pub fn left(&self) -> u64 {
        self.conflicts.iter().map(|conflict| conflict.left).sum()
    }
}

impl Plan {
    pub(super) fn new(
        batches: Vec<Batch>,
        tables: Vec<TablePlan>,
        elsewhere: Vec<Elsewhere>,
        others: Vec<Others>,
    ) -> Result<Self> {
        let mut plan = Self { id: String::new(), batches, tables, elsewhere, others };
        plan.id = crate::model::hex(&Sha256::digest(serde_json::to_vec(&plan)?)[..8]);
        Ok(plan)
    }

    /// Rows that will be written.
    pub fn writes(&self) -> u64 {
        self.tables.iter().map(|table| table.deletes + table.updates + table.inserts).sum()
    }

    /// Rows that cannot simply be taken back.
    pub fn conflicts(&self) -> u64 {
        self.tables.iter().flat_map(|table| &table.conflicts).map(|conflict| conflict.rows).sum()
    }

    /// Rows that are left as they are, though the batches wrote them.
    pub fn left(&self) -> u64 {
        self.tables.iter().map(TablePlan::left).sum()
    }
}
