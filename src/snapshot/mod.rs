//! Snapshots: a folder named by the hash of its content, with `manifest.json` and one NDJSON file a table.
//!
//! One line is one row: its columns in the manifest's order, then `_origin` (the raw records it came from, as
//! `source:file:row`) and `_source_id`. Booleans, int2, int4 and null stand as JSON, everything else, documents too, as a string
//! in PostgreSQL's text output.
//! Beside them, `golden/<entity>.ndjson` says of each source record of an entity with duplicates its golden id, and
//! `records/<source>.ndjson` what became of the records that are in no row, and `rejects/<table>.ndjson` the keys of rejected
//! rows, where a push has to tell them from rows that are gone.

mod golden;
mod left_out;
mod numbers;
mod part;
mod records_left_out;
mod refusals;
mod rejected;
mod rows;
mod source_record;
mod writer;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use crate::error::Failure;
use crate::model::ident::TableName;
use crate::model::manifest::{GoldenEntry, Manifest, RecordsEntry, RejectsEntry, SourceFile, TableEntry};
use crate::model::{hex, private};

pub use golden::GoldenRow;
pub use numbers::Records;
pub use part::{Part, settle};
pub use records_left_out::LeftOutRows;
pub use refusals::Refusals;
pub use rejected::RejectedRow;
pub use rows::{Row, RowReader};
pub use source_record::SourceRecord;
pub use writer::Writer;

/// Version of the snapshot format.
pub const FORMAT: u32 = 2;

/// A complete snapshot on disk.
#[derive(Debug, Clone)]
pub struct Snapshot {
    folder: PathBuf,
    manifest: Manifest,
    numbered: Arc<numbers::Numbered>,
    left_out: Arc<left_out::LeftOut>,
}

impl Snapshot {
    /// Opens a snapshot's folder and checks that the manifest is the one that its id names.
    ///
    /// # Errors
    /// No manifest, a format of another version, or a manifest whose content does not hash to its id.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::of_manifest(&folder.join("manifest.json"))
    }

    /// Opens what a manifest says of a snapshot, whose files may be gone.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of_manifest(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| t!("snapshot.cannot_read", path = path.display()))?;
        let manifest: Manifest =
            serde_json::from_str(&text).with_context(|| t!("snapshot.cannot_read", path = path.display()))?;
        if manifest.format != FORMAT || manifest_id(&manifest)? != manifest.id {
            return Err(damaged(path));
        }
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { folder, manifest, numbered: Arc::default(), left_out: Arc::default() })
    }

    /// Opens the snapshot whose id begins with `id`, or the latest one of models (by its `latest` file) where none is given.
    pub fn find(snapshots: &Path, id: Option<&str>) -> Result<Self> {
        let none = || {
            Failure::failed(t!("snapshot.none", path = snapshots.display())).hint(t!("snapshot.none_hint"))
        };
        let id = match id {
            Some(id) => id.to_owned(),
            None => fs::read_to_string(snapshots.join("latest")).map_err(|_| none())?.trim().to_owned(),
        };
        let mut matches = list(snapshots)?;
        matches.retain(|name| name.starts_with(&id));
        match matches.as_slice() {
            [one] => Self::open(&snapshots.join(one)),
            [] => Err(none().into()),
            _ => Err(Failure::usage(t!("snapshot.ambiguous", id = id, count = matches.len())).into()),
        }
    }

    /// Gives a finished folder its id: writes the manifest, renames the folder to its id and, of models, marks it as the latest.
    /// Where the same content is there already, the new folder is removed; where that was damaged since, it is replaced.
    pub fn seal(partial: &Path, snapshots: &Path, mut manifest: Manifest) -> Result<Self> {
        manifest.id = manifest_id(&manifest)?;
        let folder = snapshots.join(&manifest.id);
        if let Some(there) = Self::open(&folder).ok().filter(|there| there.verify_files().is_ok()) {
            fs::remove_dir_all(partial)?;
            if there.manifest.issues != manifest.issues {
                let renewed = folder.join("manifest.json.partial");
                write_synced(&renewed, &serde_json::to_vec_pretty(&manifest)?)?;
                fs::rename(&renewed, folder.join("manifest.json"))?;
            }
        } else {
            if folder.is_dir() {
                fs::remove_dir_all(&folder)?;
            }
            write_synced(&partial.join("manifest.json"), &serde_json::to_vec_pretty(&manifest)?)?;
            fs::rename(partial, &folder)
                .with_context(|| t!("snapshot.cannot_write", path = folder.display()))?;
        }
        mark_latest(snapshots, &manifest)?;
        Self::open(&folder)
    }

    pub fn id(&self) -> &str {
        &self.manifest.id
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn entry(&self, table: &TableName) -> Option<&TableEntry> {
        self.manifest.tables.iter().find(|entry| entry.table == *table)
    }

    /// Reads a table's rows in file order, with the numbers that [`Snapshot::numbered`] gave it.
    pub fn rows(&self, entry: &TableEntry) -> Result<RowReader> {
        let left_out = self.left_out.get(&entry.table);
        RowReader::open(&self.folder.join(&entry.file), entry, self.numbered.get(&entry.table), left_out)
    }

    /// Bytes of a table's longest line.
    pub fn longest_line(&self, entry: &TableEntry) -> Result<u64> {
        let (mut line, mut longest) = (0, 0);
        read_blocks(&self.folder.join(&entry.file), |block| {
            let mut begin = 0;
            for end in memchr::memchr_iter(b'\n', block) {
                longest = longest.max(line + (end - begin) as u64);
                (line, begin) = (0, end + 1);
            }
            line += (block.len() - begin) as u64;
        })?;
        Ok(longest.max(line))
    }

    /// Reads the golden ids of an entity in file order.
    pub fn golden(&self, entry: &GoldenEntry) -> Result<impl Iterator<Item = Result<GoldenRow>> + use<>> {
        golden::read(&self.folder.join(&entry.file))
    }

    /// Reads the verdicts of a source's records in file order.
    pub fn source_records(
        &self,
        entry: &RecordsEntry,
    ) -> Result<impl Iterator<Item = Result<SourceRecord>> + use<>> {
        golden::read(&self.folder.join(&entry.file))
    }

    /// Reads what is known of a table's rejected rows, in file order.
    fn rejected(&self, entry: &RejectsEntry) -> Result<impl Iterator<Item = Result<RejectedRow>> + use<>> {
        golden::read(&self.folder.join(&entry.file))
    }

    /// Hashes every file again and compares with the manifest.
    ///
    /// # Errors
    /// The first file that is missing or differs, by name.
    pub fn verify_files(&self) -> Result<()> {
        for SourceFile { name, bytes, sha256 } in self.manifest.files() {
            let path = self.folder.join(name);
            let found = hash_file(&path)
                .map_err(|error| Failure::failed(format!("{error:#}")).hint(t!("snapshot.damaged_hint")))?;
            if found != (sha256, bytes) {
                return Err(damaged(&path));
            }
        }
        Ok(())
    }
}

/// Takes over a folder that came from elsewhere: it gets its id as its name, and is the latest where there is none.
///
/// # Errors
/// It is not the snapshot with this id, or a file is not what its manifest names.
pub fn adopt(partial: &Path, snapshots: &Path, id: &str) -> Result<Snapshot> {
    let found = Snapshot::open(partial)?;
    if found.id() != id {
        return Err(damaged(partial));
    }
    found.verify_files()?;
    let folder = snapshots.join(found.id());
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(partial, &folder).with_context(|| t!("snapshot.cannot_write", path = folder.display()))?;
    if !snapshots.join("latest").is_file() {
        mark_latest(snapshots, &found.manifest)?;
    }
    Snapshot::open(&folder)
}

/// A manifest by its text; none where it is not the one that its id names.
pub fn manifest(text: &[u8]) -> Option<Manifest> {
    let manifest: Manifest = serde_json::from_slice(text).ok()?;
    (manifest_id(&manifest).ok()? == manifest.id).then_some(manifest)
}

/// Of models only: whatever other stages had to push beside them, they are what `push` and `verify` are about.
fn mark_latest(snapshots: &Path, manifest: &Manifest) -> Result<()> {
    if !manifest.origin.is_models() {
        return Ok(());
    }
    let latest = snapshots.join("latest.partial");
    write_synced(&latest, manifest.id.as_bytes())?;
    Ok(fs::rename(&latest, snapshots.join("latest"))?)
}

/// Ids of the snapshots in a folder, sorted.
pub fn list(snapshots: &Path) -> Result<Vec<String>> {
    let Ok(entries) = fs::read_dir(snapshots) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.path().join("manifest.json").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.retain(|name| !name.ends_with(".partial"));
    names.sort();
    Ok(names)
}

/// SHA-256 (hex) and size of a file, read in blocks.
pub fn hash_file(path: &Path) -> Result<(String, u64)> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    read_blocks(path, |block| {
        hash.update(block);
        bytes += block.len() as u64;
    })?;
    Ok((hex(hash.finalize()), bytes))
}

fn read_blocks(path: &Path, mut take: impl FnMut(&[u8])) -> Result<()> {
    let unread = || t!("snapshot.cannot_read", path = path.display());
    let mut file = fs::File::open(path).with_context(unread)?;
    let mut block = vec![0; 1 << 18];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(count) => take(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).with_context(unread),
        }
    }
}

/// SHA-256 (hex, 16 characters are plenty for a folder's name but all 64 are kept) of the manifest without its id, its issues,
/// and how often its models were built before: a fresh staging file gives the same snapshot as one that was worked in.
fn manifest_id(manifest: &Manifest) -> Result<String> {
    let mut unnamed = Manifest { id: String::new(), issues: Vec::new(), ..manifest.clone() };
    unnamed.models.values_mut().for_each(|model| model.version = 0);
    Ok(hex(Sha256::digest(serde_json::to_vec(&unnamed)?)))
}

fn damaged(path: &Path) -> anyhow::Error {
    Failure::failed(t!("snapshot.damaged", path = path.display())).hint(t!("snapshot.damaged_hint")).into()
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file =
        private::create(path).with_context(|| t!("snapshot.cannot_write", path = path.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}
