//! `archive.json`: every object of an archive, so that anybody with the bucket alone can prove and restore it.

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::git::Git;
use crate::aws::Bucket;
use crate::config::LockMode;
use crate::error::Failure;
use crate::model::hex;
use crate::model::ident::ClinicName;

/// Version of its form.
pub(super) const FORMAT: u32 = 1;
/// Its name below an archive's folder.
pub(super) const NAME: &str = "archive.json";

/// One archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    pub format: u32,
    pub clinic: ClinicName,
    pub clinic_uid: String,
    pub snapshot: String,
    /// RFC 3339.
    pub at: String,
    pub by: String,
    pub program: String,
    /// The state of the project's repository; none where it is none.
    pub git: Option<Git>,
    pub kept: Kept,
    /// Deliveries that were loaded and put away before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    pub objects: Vec<Entry>,
}

/// What was asked for when it was archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub mode: Option<LockMode>,
    pub years: Option<u32>,
    pub legal_hold: bool,
    /// RFC 3339; of the object that may be deleted first.
    pub until: Option<String>,
    /// age's public keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `snapshot/manifest.json`; of what is sealed a hash in the place of names that may tell of people.
    pub name: String,
    pub key: String,
    pub version: Option<String>,
    /// As stored.
    pub bytes: u64,
    pub sha256: String,
    /// RFC 3339.
    pub until: Option<String>,
    /// What was sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<Plain>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plain {
    pub bytes: u64,
    pub sha256: String,
}

/// An index as it was found in a bucket.
#[derive(Debug, Clone)]
pub struct Indexed {
    pub index: Index,
    pub key: String,
    pub version: Option<String>,
    pub bytes: u64,
    pub sha256: String,
}

impl Index {
    pub(super) fn text(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }

    /// Whether both say the same of the objects, whoever wrote them down and when.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.objects == other.objects && self.kept == other.kept && self.gone == other.gone
    }
}

impl Indexed {
    /// The index in an archive's folder; none where the archive was not finished.
    ///
    /// # Errors
    /// It is no index of ours.
    pub async fn find(bucket: &Bucket, folder: &str) -> Result<Option<Self>> {
        let key = format!("{folder}{NAME}");
        let Some((text, stored)) = bucket.text(&key, None).await? else { return Ok(None) };
        let wrong = || Failure::findings(t!("archive.bad_index", key = key));
        let index: Index = serde_json::from_slice(&text).map_err(|_| wrong())?;
        if index.format != FORMAT {
            return Err(Failure::failed(t!("archive.newer_index", key = key, format = index.format)).into());
        }
        let sha256 = hex(Sha256::digest(&text));
        Ok(Some(Self { index, key, version: stored.version, bytes: text.len() as u64, sha256 }))
    }

    /// The index as an object like the others.
    pub(super) fn entry(&self) -> Entry {
        Entry {
            name: NAME.to_owned(),
            key: self.key.clone(),
            version: self.version.clone(),
            bytes: self.bytes,
            sha256: self.sha256.clone(),
            until: self.index.kept.until.clone(),
            plain: None,
        }
    }
}
