//! What a verification comes to.

use serde::Serialize;

use super::{
    ByBatch, Cause, ControlReport, Count, Difference, FixReport, MonthReport, QueryReport, RelationReport,
    SampleReport, SourceReport,
};
use crate::model::ident::TableName;
use crate::pg::Lag;

/// What was compared and found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    pub snapshot: String,
    /// Only rows of batches after this one were compared, and no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<Lag>,
    pub tables: Vec<TableReport>,
    pub relations: Vec<RelationReport>,
    pub months: Vec<MonthReport>,
    pub sources: Vec<SourceReport>,
    pub controls: Vec<ControlReport>,
    pub queries: Vec<QueryReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<SampleReport>,
    /// The statements that `--fix-sql` wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixes: Option<FixReport>,
}

/// One table, source against target.
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    pub table: TableName,
    /// Rows that the models made.
    pub source: u64,
    pub rejected: u64,
    /// `source - rejected`: rows of the snapshot.
    pub expected: u64,
    /// Rows of the clinic's batches that the target holds.
    pub target: u64,
    /// `target - expected`
    pub difference: i64,
    /// Every value of every row is equal.
    pub equal: bool,
    /// Over the digests of the snapshot's rows, and of the target's: the same where every value is.
    pub expected_digest: String,
    pub target_digest: String,
    /// Rows of the clinic that no batch wrote, where the table has the tenant column.
    pub foreign: Option<u64>,
    /// Rows that rollbacks left where they are and that neither a batch which stands wrote nor the snapshot has.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub left: u64,
    /// How many rows differ in which way.
    pub counts: Vec<Count>,
    pub differences: Vec<Difference>,
    /// Differing rows beyond those in `differences`.
    pub not_listed: u64,
    /// Batches other than the snapshot's that made rows differ, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_batches: Vec<ByBatch>,
}

impl TableReport {
    /// Whether rows differ, all of them since the clinic's settings leave them so, or people accepted that they do.
    pub fn stands(&self) -> bool {
        let stands = |one: &Count| one.cause.is_some_and(Cause::stands) || one.accepted;
        !self.counts.is_empty() && self.counts.iter().all(stands)
    }

    /// Whether every row that differs is so for this.
    fn is_all(&self, cause: Cause) -> bool {
        !self.counts.is_empty() && self.counts.iter().all(|one| one.cause == Some(cause))
    }

    /// Whether no row differs but those that the clinic's settings leave so, or about which a person is to decide.
    fn only_by_policy(&self) -> bool {
        self.counts.iter().all(|one| one.cause.is_some_and(Cause::is_by_policy))
    }
}

impl Report {
    /// Whether everything is equal or stands by the clinic's settings, every relation holds and every record is accounted
    /// for.
    pub fn is_clean(&self) -> bool {
        self.tables.iter().all(|table| table.equal || table.stands()) && self.rest_is_clean()
    }

    /// Whether nothing is wrong but what waits for people's decision: values that they and the source changed.
    pub fn only_conflicts(&self) -> bool {
        !self.is_clean() && self.tables.iter().all(TableReport::only_by_policy) && self.rest_is_clean()
    }

    /// Whether nothing is wrong but what people did after the load: rows that they edited or deleted.
    pub fn only_later(&self) -> bool {
        let later = |one: &Count| one.cause.is_some_and(Cause::is_later);
        let mut differ = self.tables.iter().filter(|table| !table.equal).peekable();
        !self.is_clean()
            && differ.peek().is_some()
            && differ.all(|table| !table.counts.is_empty() && table.counts.iter().all(later))
            && self.relations.iter().all(RelationReport::holds)
            && self.sources.iter().all(SourceReport::holds)
    }

    /// Whether rows differ, and all of them for this.
    pub fn differs_only(&self, cause: Cause) -> bool {
        let mut differ = self.tables.iter().filter(|table| !table.equal).peekable();
        differ.peek().is_some() && differ.all(|table| table.is_all(cause))
    }

    /// Whether some of a table's rows are left other than the snapshot's, and no others differ.
    fn stand(&self, name: &TableName) -> bool {
        let table = self.tables.iter().find(|table| table.table == *name);
        table.is_some_and(|table| !table.counts.is_empty() && table.only_by_policy())
    }

    /// Whether nothing differs but rows that are left so, and some are: then figures over them differ with them.
    fn only_by_policy(&self) -> bool {
        let differ = self.tables.iter().filter(|table| !table.equal);
        differ.clone().next().is_some() && differ.clone().all(|table| self.stand(&table.table))
    }

    fn rest_is_clean(&self) -> bool {
        let excused = self.only_by_policy();
        self.relations.iter().all(RelationReport::holds)
            && self.months.iter().all(|months| months.unequal().next().is_none() || self.stand(&months.table))
            && self.sources.iter().all(SourceReport::holds)
            && (excused || self.controls.iter().all(|control| control.equal))
            && (excused || self.queries.iter().all(|query| query.equal))
    }
}
