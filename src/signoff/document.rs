//! `signoff.json`.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Options;
use crate::model::hex;
use crate::model::ident::{ClinicName, TableName};
use crate::model::manifest::{IssueEntry, ModelVersion, SourceFile};

/// Version of its form.
const FORMAT: u32 = 1;

/// Everything that was signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub format: u32,
    pub clinic: ClinicName,
    pub clinic_uid: String,
    /// ULID.
    pub batch: String,
    pub target: String,
    pub by: String,
    /// RFC 3339.
    pub at: String,
    pub program: String,
    /// The snapshot's id, which is a hash over its manifest.
    pub snapshot: String,
    pub catalog_hash: String,
    /// Files of the snapshot.
    pub files: Vec<SourceFile>,
    pub sources: Vec<SealedSource>,
    pub models: BTreeMap<String, ModelVersion>,
    pub tables: Vec<SealedTable>,
    /// What the ledger counted.
    pub counts: Value,
    /// The verification found nothing.
    pub clean: bool,
    /// What it found, and why that may be.
    pub accepted: Vec<Accepted>,
    /// What load, transform and check found that nobody decided about.
    pub open: Vec<Open>,
    /// The report that was signed, page and JSON.
    #[serde(default)]
    pub report: Vec<SourceFile>,
    /// SHA-256 (hex) over all of the above.
    #[serde(default)]
    pub seal: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SealedSource {
    pub source: String,
    pub files: Vec<SourceFile>,
}

/// The clinic's rows in one table of the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SealedTable {
    pub table: TableName,
    pub rows: u64,
    /// Over the digests of all of them.
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    pub id: String,
    pub rule: String,
    pub subject: String,
    pub column: Option<String>,
    pub count: u64,
    pub reason: String,
    pub who: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    pub id: String,
    pub severity: String,
    pub rule: String,
    pub subject: String,
    pub count: u64,
}

impl Document {
    /// The hash of everything but the seal itself.
    pub fn computed_seal(&self) -> Result<String> {
        seal_of(serde_json::to_value(self)?)
    }

    /// As it is written.
    pub fn text(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// SHA-256 (hex) over a document without its seal: the keys of every object sorted, no spaces.
pub(super) fn seal_of(mut value: Value) -> Result<String> {
    if let Some(object) = value.as_object_mut() {
        object.remove("seal");
    }
    Ok(hex(Sha256::digest(serde_json::to_vec(&sorted(value))?)))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let by_key: BTreeMap<String, Value> =
                object.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(by_key.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

pub(super) fn of(options: &Options<'_>, accepted: Vec<Accepted>, open: Vec<Open>) -> Document {
    let manifest = options.snapshot.manifest();
    Document {
        format: FORMAT,
        clinic: manifest.clinic.clone(),
        clinic_uid: manifest.clinic_uid.clone(),
        batch: options.batch.id.clone(),
        target: options.target.to_owned(),
        by: options.by.trim().to_owned(),
        at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        program: concat!("trasvase ", env!("CARGO_PKG_VERSION")).to_owned(),
        snapshot: manifest.id.clone(),
        catalog_hash: manifest.catalog_hash.clone(),
        files: manifest.files().collect(),
        sources: manifest
            .sources
            .iter()
            .map(|one| SealedSource { source: one.source.clone(), files: one.files.clone() })
            .collect(),
        models: manifest.models.clone(),
        tables: options
            .proof
            .tables
            .iter()
            .map(|one| SealedTable {
                table: one.table.clone(),
                rows: one.target,
                digest: one.target_digest.clone(),
            })
            .collect(),
        counts: options.batch.counts.clone(),
        clean: accepted.is_empty(),
        accepted,
        open,
        report: Vec::new(),
        seal: String::new(),
    }
}

pub(super) fn open(issue: &IssueEntry) -> Open {
    Open {
        id: issue.id.clone(),
        severity: issue.severity.clone(),
        rule: issue.rule.clone(),
        subject: issue.subject.clone(),
        count: issue.count,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_seal_depends_on_every_value_and_on_no_order() {
        let seal = |value| seal_of(value).unwrap();
        let one = seal(json!({"a": [{"x": 1, "y": "z"}], "b": null, "seal": "1"}));
        assert_eq!(one, seal(json!({"seal": "2", "b": null, "a": [{"y": "z", "x": 1}]})));
        for other in [
            json!({"a": [{"x": 1, "y": "z"}], "b": false}),
            json!({"a": [{"x": 2, "y": "z"}], "b": null}),
            json!({"a": [{"x": 1, "y": "z"}, 1], "b": null}),
        ] {
            assert_ne!(one, seal(other));
        }
    }
}
