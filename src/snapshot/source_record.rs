//! The verdicts in a snapshot: one line a source record.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What became of one source record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceRecord {
    /// `source:file:row`.
    pub record: String,
    /// Its natural key, where a model read it.
    pub source_id: Option<String>,
    pub verdict: String,
    /// Rules with columns and constraints; no value.
    pub errors: Vec<String>,
    /// The record that stands in its place, as `source:file:row`.
    pub duplicate_of: Option<String>,
    /// The row as it was read, where the clinic keeps rows.
    pub original: Option<Box<RawValue>>,
}
