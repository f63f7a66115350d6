//! What is no longer as it was when it was last read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::config::{Clinic, Project};
use crate::sources::{self, SourceFile, packed};
use crate::staging::Staging;
use crate::transform;

/// What people have changed since it was last read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    pub(super) sources: bool,
    pub(super) models: bool,
}

/// Whether other files are there than were loaded, or one has another size, or was written after it was loaded.
pub(super) fn sources_moved(project: &Project, clinic: &Clinic, staging: &Staging) -> Result<bool> {
    let folder = project.clinic_dir(&clinic.name);
    let comes_in_parts = |source: &str| clinic.sources.get(source).is_some_and(|one| one.cursor.is_some());
    let is_live = |source: &str| clinic.sources.get(source).is_some_and(|one| one.url.is_some());
    let loaded: BTreeMap<String, (u64, i64)> = staging
        .rows(
            "select path, bytes, epoch_ms(loaded_at), source from meta.source_file join meta.source using (source) order by file_number",
            |row| Ok((row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?), row.get::<_, String>(3)?)),
        )?
        .into_iter()
        // What a live source holds now is known only once it is asked.
        .filter(|(_, _, source)| !is_live(source))
        // A delivery may go once it is loaded.
        .filter(|(path, _, source)| !comes_in_parts(source) || folder.join(path).exists())
        .map(|(path, file, _)| (path, file))
        .collect();
    let mut found = BTreeSet::new();
    let Ok(here) = sources::Folder::open(folder.clone(), &clinic.sources) else { return Ok(true) };
    for (name, config) in clinic.sources.iter().filter(|(name, _)| !is_live(name)) {
        // A file that is missing is for load to tell; here it means that the last load no longer stands.
        let Ok(files) = here.find(name, config) else { return Ok(true) };
        found.extend(files.into_iter().map(|file| file.shown));
    }
    Ok(!found.iter().eq(loaded.keys())
        || loaded.iter().any(|(path, (bytes, loaded_at))| {
            match std::fs::metadata(packed::archive(&folder.join(path))) {
                // Of a folder of attachments the files are looked at.
                Ok(file) if file.is_dir() => {
                    let folder = SourceFile { path: folder.join(path), shown: path.clone() };
                    sources::survey(&folder).map_or(true, |now| now.fingerprint.bytes != *bytes)
                }
                Ok(file) => changed(packed::archive(&folder.join(path)), &file, *bytes, *loaded_at),
                Err(_) => true,
            }
        }))
}

/// Whether a file has another size or was written since. A database with a log beside it is loaded with the log, so that
/// its own size says nothing.
fn changed(path: &Path, file: &std::fs::Metadata, bytes: u64, loaded_at: i64) -> bool {
    let later = |file: &std::fs::Metadata| written_at(file).is_none_or(|at| at > loaded_at);
    let logs = sources::sqlite::logs(path);
    let later_log = |log: &PathBuf| std::fs::metadata(log).is_ok_and(|log| later(&log));
    later(file) || logs.iter().any(later_log) || (logs.is_empty() && file.len() != bytes)
}

/// Whether a transform would build or drop anything, or would tell a mistake.
pub(super) fn models_moved(project: &Project, clinic: &Clinic, staging: &Staging) -> bool {
    let options = transform::Options { project, clinic, staging, select: Vec::new() };
    transform::plan(&options).map_or(true, |plan| !plan.is_empty())
}

/// Milliseconds since 1970.
fn written_at(file: &std::fs::Metadata) -> Option<i64> {
    let since = file.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}
