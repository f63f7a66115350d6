//! What a snapshot says of itself: `manifest.json` beside its NDJSON files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ident::{ClinicName, TableName};
use super::keys::Keys;

/// What the rows of a snapshot are from, and so those of its batches. Rows, and columns of rows, are the origin's that wrote
/// them: a push and a verification of one origin's snapshot leave the others' alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The clinic's models.
    #[default]
    Models,
    /// Documents that were uploaded.
    Files,
    /// Logins that were made.
    Users,
}

impl Origin {
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Models => "models",
            Origin::Files => "files",
            Origin::Users => "users",
        }
    }

    /// For serde, so that a snapshot of models is written, and named, as it always was.
    pub fn is_models(&self) -> bool {
        *self == Origin::Models
    }
}

/// The manifest of one snapshot. Its id is the SHA-256 (hex) over this manifest without the id, which in turn holds
/// the hash of every file, so equal content gives an equal id. No clock is in it. [`Manifest::issues`] are beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    pub id: String,
    pub clinic: ClinicName,
    pub clinic_uid: String,
    /// RFC 3339; the time part of every id made for this clinic.
    pub epoch: String,
    #[serde(default, skip_serializing_if = "Origin::is_models")]
    pub origin: Origin,
    pub product: String,
    pub system: String,
    pub timezone: String,
    /// The target's tenant column and value, if the system has one: rows of the clinic are found by it.
    pub tenant: Option<Tenant>,
    /// Hash of the part of the catalog that was checked against.
    pub catalog_hash: String,
    pub sources: Vec<SourceCount>,
    /// Model name to version and fingerprint; the version, which a fresh staging file begins anew, is no part of the id.
    pub models: BTreeMap<String, ModelVersion>,
    /// In push order: parents before children.
    pub tables: Vec<TableEntry>,
    /// `control/*.sql` over `raw`, and `[control]` of clinic.toml: name, key, value.
    pub controls: Vec<Control>,
    /// Entities with a `[dedupe.<entity>]` section.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub golden: Vec<GoldenEntry>,
    /// Sources some of whose records are told of one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<RecordsEntry>,
    /// Tables whose vanished rows are deleted, and some of whose rows are rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejects: Vec<RejectsEntry>,
    /// What load, transform and check found, and what people decided about it. No part of the id: a decision changes no
    /// row, and load tells some things only once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<IssueEntry>,
}

impl Manifest {
    /// The manifest of the same clinic's rows of another origin, whose tables are still missing. It counts no records of
    /// sources and asks no questions: the models' snapshot does.
    #[must_use]
    pub fn of_origin(&self, origin: Origin, catalog_hash: String) -> Self {
        Self {
            id: String::new(),
            origin,
            catalog_hash,
            sources: Vec::new(),
            models: BTreeMap::new(),
            tables: Vec::new(),
            controls: Vec::new(),
            golden: Vec::new(),
            records: Vec::new(),
            rejects: Vec::new(),
            issues: Vec::new(),
            ..self.clone()
        }
    }

    /// The snapshot's files, but for the manifest itself.
    pub fn files(&self) -> impl Iterator<Item = SourceFile> + '_ {
        let tables = self.tables.iter().map(|one| (&one.file, one.bytes, &one.sha256));
        let golden = self.golden.iter().map(|one| (&one.file, one.bytes, &one.sha256));
        let records = self.records.iter().map(|one| (&one.file, one.bytes, &one.sha256));
        let rejects = self.rejects.iter().map(|one| (&one.file, one.bytes, &one.sha256));
        let files = tables.chain(golden).chain(records).chain(rejects);
        files.map(|(name, bytes, sha256)| SourceFile { name: name.clone(), bytes, sha256: sha256.clone() })
    }
}

/// A finding, for the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IssueEntry {
    pub id: String,
    pub stage: String,
    pub rule: String,
    pub severity: String,
    pub subject: String,
    pub column: Option<String>,
    pub count: u64,
    /// `open`, `accepted` or `resolved`.
    pub status: String,
    pub reason: Option<String>,
    pub who: Option<String>,
    /// RFC 3339, of the decision.
    pub when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    pub column: String,
    pub value: String,
}

/// Rows of one source by verdict; `read` is the independent count of its records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceCount {
    pub source: String,
    /// Name, bytes and SHA-256 (hex) of each file.
    pub files: Vec<SourceFile>,
    pub read: u64,
    pub rejected: u64,
    pub merged: u64,
    pub imported: u64,
    pub skipped: u64,
    pub filtered: u64,
    /// Of the rejected ones, records that could not be read at all: nobody knows which they are.
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub unreadable: u64,
    /// No model of `target` reads the source.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceFile {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    pub version: u64,
    pub fingerprint: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableEntry {
    pub table: TableName,
    /// `data/<table>.ndjson`, relative to the snapshot's folder.
    pub file: String,
    pub sha256: String,
    pub bytes: u64,
    pub rows: u64,
    pub rejected: u64,
    /// The columns that are written, in the catalog's order, with their types as checked.
    pub columns: Vec<ColumnEntry>,
    /// Columns of the key that rows are matched by (the primary key).
    pub key: Vec<String>,
    /// Whether that key is a placeholder until the row is pushed.
    #[serde(default, skip_serializing_if = "Keys::is_preserve")]
    pub keys: Keys,
    /// Its columns are those of rows that are there, and no row is added: the key, and what is filled in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fills: bool,
}

/// The golden ids of one entity's source records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoldenEntry {
    pub entity: String,
    /// `golden/<entity>.ndjson`, relative to the snapshot's folder: source_id, golden_id, and as `was` the one that is
    /// recorded where that is another. Sorted by source_id.
    pub file: String,
    pub sha256: String,
    pub bytes: u64,
    /// Source records.
    pub rows: u64,
    /// Pairs that wait for a person's decision.
    pub pending: u64,
}

/// The verdicts of one source's records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordsEntry {
    pub source: String,
    /// `records/<source>.ndjson`, relative to the snapshot's folder, in the order of files and rows. Records that are
    /// plainly imported are in it only together with their original rows: a row of `data` names each of them.
    pub file: String,
    pub sha256: String,
    pub bytes: u64,
    /// Records.
    pub rows: u64,
}

/// The keys of one table's rejected rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RejectsEntry {
    pub table: TableName,
    /// `rejects/<table>.ndjson`, relative to the snapshot's folder.
    pub file: String,
    pub sha256: String,
    pub bytes: u64,
    pub rows: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnEntry {
    pub name: String,
    /// `format_type` text.
    #[serde(rename = "type")]
    pub data_type: String,
}

/// One number the target must show: computed from `raw` by an expression of its own, or printed by the old system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// File stem of `control/*.sql`, or `clinic.toml`.
    pub name: String,
    /// The group (a month, a year); empty for a total.
    pub key: String,
    /// Value in text form.
    pub value: Option<String>,
    /// What `<name>.reject.sql` finds among the rejected rows: value = target + rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
}
