//! A snapshot comes back from the bucket, as it was.

use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rust_i18n::t;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::index::{Entry, Indexed};
use super::seal::{Identities, private};
use crate::aws::Bucket;
use crate::config::{Clinic, Project};
use crate::error::Failure;
use crate::model::hex;
use crate::model::run::{Event, Observer, Stage};
use crate::snapshot::{self, Snapshot};
use crate::staging::private_folder;

/// Files that come at once.
const AT_ONCE: usize = 4;
/// What the names of a snapshot's objects begin with.
const SNAPSHOT: &str = "snapshot/";

/// What came back.
#[derive(Debug, Serialize)]
pub struct Restored {
    pub snapshot: String,
    pub files: u64,
    pub bytes: u64,
    /// It was there, whole.
    pub was_there: bool,
}

/// Brings an archive's snapshot into the project; one that is there and whole is left as it is.
///
/// # Errors
/// An archive of another clinic, an object that is missing or changed, a key that does not open it.
pub async fn restore(
    project: &Project,
    clinic: &Clinic,
    bucket: &Bucket,
    indexed: &Indexed,
    identities: Option<&Identities>,
    observer: &dyn Observer,
) -> Result<Restored> {
    let index = &indexed.index;
    if index.clinic_uid != clinic.uid {
        return Err(Failure::usage(t!("archive.other_clinic", uid = index.clinic_uid)).into());
    }
    let snapshots = project.snapshots_dir(&clinic.name);
    let objects: Vec<&Entry> = index.objects.iter().filter(|one| one.name.starts_with(SNAPSHOT)).collect();
    let bytes = objects.iter().map(|one| one.bytes).sum();
    let restored = |was_there| Restored {
        snapshot: index.snapshot.clone(),
        files: objects.len() as u64,
        bytes,
        was_there,
    };
    let there = Snapshot::open(&snapshots.join(&index.snapshot)).ok();
    if there.is_some_and(|there| there.verify_files().is_ok()) {
        return Ok(restored(true));
    }
    if objects.iter().any(|one| one.plain.is_some()) && identities.is_none() {
        return Err(Failure::usage(t!("archive.sealed")).hint(t!("archive.identity_hint")).into());
    }
    private_folder(&project.staging_dir(&clinic.name))?;
    let partial = snapshots.join(format!("{}.partial", index.snapshot));
    if partial.is_dir() {
        std::fs::remove_dir_all(&partial)?;
    }
    private_folder(&partial)?;
    let subject = t!("archive.restoring");
    let subject = &*subject;
    observer.event(&Event::Started { stage: Stage::Archive, subject, total: Some(bytes) });
    let to = partial.as_path();
    let fetched = stream::iter(&objects).map(|one| async move {
        fetch(bucket, one, &place(to, one)?, identities).await?;
        observer.event(&Event::Advanced { stage: Stage::Archive, subject, amount: one.bytes });
        anyhow::Ok(())
    });
    let fetched: Result<Vec<()>> = fetched.buffer_unordered(AT_ONCE).try_collect().await;
    if let Err(error) = fetched {
        // Half a snapshot is patients' data that nobody asked for.
        std::fs::remove_dir_all(&partial)?;
        return Err(error);
    }
    observer.event(&Event::Finished { stage: Stage::Archive, subject, rows: bytes });
    snapshot::adopt(&partial, &snapshots, &index.snapshot)?;
    Ok(restored(false))
}

/// Where an object's file goes: its name is the bucket's word, so it must not lead out of the folder.
fn place(folder: &Path, entry: &Entry) -> Result<PathBuf> {
    let below = Path::new(&entry.name[SNAPSHOT.len()..]);
    let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || below.as_os_str().is_empty() {
        return Err(Failure::findings(t!("archive.bad_name", name = entry.name)).into());
    }
    Ok(folder.join(below))
}

async fn fetch(bucket: &Bucket, entry: &Entry, path: &Path, identities: Option<&Identities>) -> Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    private_folder(folder)?;
    let end = if entry.plain.is_some() { ".age" } else { "" };
    let raw = folder.join(format!("{}{end}", path.file_name().unwrap_or_default().to_string_lossy()));
    let mut file = private(&raw)?;
    let mut hash = Sha256::new();
    let stored = bucket.read(&entry.key, entry.version.as_deref(), |block| {
        hash.update(block);
        file.write_all(block).with_context(|| t!("staging.cannot_write", path = raw.display()))
    });
    if stored.await?.is_none() {
        return Err(Failure::findings(t!("archive.missing_object", key = entry.key)).into());
    }
    file.sync_all()?;
    let changed = || Failure::findings(t!("archive.changed_object", key = entry.key));
    if hex(hash.finalize()) != entry.sha256 {
        return Err(changed().into());
    }
    if let (Some(plain), Some(identities)) = (&entry.plain, identities) {
        if identities.open(&raw, path)? != plain.sha256 {
            return Err(changed().into());
        }
        std::fs::remove_file(&raw)?;
    }
    Ok(())
}
