//! Records that a push leaves out since people deleted their row in the target, or one that it refers to.

/// Their verdict in the ledger.
pub const VERDICT: &str = "left_out";

/// What is said of a record whose row people deleted.
pub const DELETED: &str = "deleted_in_target";

/// What is said of one whose row would refer to such a row, by this foreign key.
pub fn parent_deleted(columns: &[String], constraint: &str) -> String {
    format!("parent_deleted({}: {constraint})", columns.join(", "))
}

/// One such record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub source: String,
    /// `source:file:row`
    pub record: String,
    /// Its natural key, where its row has one.
    pub source_id: Option<String>,
    pub why: String,
}
