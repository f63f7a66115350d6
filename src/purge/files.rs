//! The files of a clinic's staging folder: listed with their hashes, then removed.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::{FileEntry, Plan};
use crate::config::{Project, shown};
use crate::error::interrupt;
use crate::model::hex;
use crate::model::ident::ClinicName;
use crate::snapshot;

/// Every file below the staging folder but the lock, which is held meanwhile. The staging file comes last: as long as it
/// is there, so is what was signed off.
pub(super) fn list(project: &Project, clinic: &ClinicName) -> Result<Vec<FileEntry>> {
    let folder = project.staging_dir(clinic);
    let mut paths = Vec::new();
    collect(&folder, &mut paths)?;
    paths.retain(|path| *path != folder.join("lock"));
    let staging = project.duckdb_path(clinic);
    paths.sort_by_key(|path| (*path == staging, path.clone()));
    let entry = |path: PathBuf| {
        interrupt::check()?;
        let (sha256, bytes) = match path.is_symlink() {
            // What a link leads to is not ours.
            true => (hex(Sha256::digest(fs::read_link(&path)?.as_os_str().as_bytes())), 0),
            false => snapshot::hash_file(&path)?,
        };
        Ok(FileEntry { path: shown(project, &path), bytes, sha256 })
    };
    paths.into_iter().map(entry).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let cannot = || t!("config.cannot_read", path = folder.display());
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        match entry.file_type().with_context(cannot)?.is_dir() {
            true => collect(&entry.path(), paths)?,
            // Sockets and pipes hold nothing.
            false if entry.path().is_file() || entry.path().is_symlink() => paths.push(entry.path()),
            false => {}
        }
    }
    Ok(())
}

/// Removes what the plan names, then the folders.
pub(super) fn destroy(project: &Project, plan: &Plan) -> Result<()> {
    for file in &plan.files {
        let path = project.root().join(&file.path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| t!("purge.cannot_remove", path = path.display()));
            }
            _ => {}
        }
    }
    let folder = project.staging_dir(&plan.clinic);
    if folder.is_dir() {
        fs::remove_dir_all(&folder).with_context(|| t!("purge.cannot_remove", path = folder.display()))?;
    }
    Ok(())
}
