//! Files of a snapshot that is being made, beside those of its tables.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::hash_file;
use crate::model::{file_name, private};

/// One file as a manifest names it.
pub struct Part {
    pub file: String,
    pub sha256: String,
    pub bytes: u64,
}

impl Part {
    /// Has `<folder>/<name>.ndjson` written below the unfinished snapshot; what `write` gives, too.
    ///
    /// # Errors
    /// What `write` meets; a disk that is full.
    pub fn write<T>(
        partial: &Path,
        (folder, name): (&str, &str),
        write: impl FnOnce(&Path) -> Result<T>,
    ) -> Result<(Self, T)> {
        let file = format!("{folder}/{}.ndjson", file_name(name));
        let path = partial.join(&file);
        let cannot = || t!("snapshot.cannot_write", path = path.display());
        private::folder(&partial.join(folder)).with_context(cannot)?;
        let written = write(&path).with_context(cannot)?;
        let (sha256, bytes) = settle(&path)?;
        Ok((Self { file, sha256, bytes }, written))
    }
}

/// Waits until a file is on disk, and only its owner can read it; its hash and size.
///
/// # Errors
/// A disk that is full.
pub fn settle(path: &Path) -> Result<(String, u64)> {
    let settled =
        fs::set_permissions(path, Permissions::from_mode(0o600)).and_then(|()| File::open(path)?.sync_all());
    settled.with_context(|| t!("snapshot.cannot_write", path = path.display()))?;
    hash_file(path)
}
