//! archive: a snapshot, what it was made of and what was said of it goes into a bucket where nobody can delete it before
//! the time, and is read back from there.
//!
//! An archive is a folder of keys, `[<prefix>/]<clinic>/<snapshot>/`, with an index, `archive.json`, that is written last: what
//! has none is not finished. Objects that are there are not sent again, and an upload that was cut goes on where it was.

mod contents;
mod git;
mod index;
pub mod ledger;
mod parquet;
mod proof;
mod restore;
mod seal;
mod send;

use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;

use crate::aws::Bucket;
use crate::config::{Archive, Clinic, LockMode, Project};
use crate::error::Failure;
use crate::model::run::Observer;
use crate::snapshot::Snapshot;
use crate::staging::{Archived, Staging};

pub use contents::{Area, Contents, Item, work_folder};
pub use git::Git;
pub use index::{Entry, Index, Indexed, Kept, Plain};
pub use proof::{Fault, Problem, prove};
pub use restore::{Restored, restore};
pub use seal::Identities;

/// What is archived, and where.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub settings: &'a Archive,
    pub staging: &'a Staging,
    pub snapshot: &'a Snapshot,
    pub bucket: &'a Bucket,
    pub who: String,
}

/// What would be archived.
#[derive(Debug, Serialize)]
pub struct Plan {
    pub snapshot: String,
    pub bucket: String,
    pub prefix: String,
    pub areas: Vec<Area>,
    pub objects: u64,
    pub bytes: u64,
    pub mode: Option<LockMode>,
    pub years: Option<u32>,
    pub legal_hold: bool,
    /// How many can read it; 0 where it is not sealed.
    pub recipients: usize,
    pub git: Option<Git>,
    pub gone: Vec<String>,
    pub left_out: Vec<String>,
    pub hidden: Vec<String>,
    pub no_files: Vec<String>,
}

/// What was archived.
#[derive(Debug, Serialize)]
pub struct Report {
    pub plan: Plan,
    /// Objects and bytes that were sent now, without the index.
    pub sent_objects: u64,
    pub sent_bytes: u64,
    /// Objects that are kept for longer from now on.
    pub extended: u64,
    /// It was all there and was read back before.
    pub unchanged: bool,
    pub archived: Archived,
}

/// One archive of a clinic in a bucket.
#[derive(Debug, Serialize)]
pub struct Found {
    pub snapshot: String,
    /// None of one that was not finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub objects: u64,
    pub bytes: u64,
    pub until: Option<String>,
    pub legal_hold: bool,
    pub sealed: bool,
}

/// What all keys of this archive begin with.
fn folder(options: &Options<'_>) -> String {
    format!("{}{}/", options.settings.folder(options.clinic.name.as_str()), options.snapshot.id())
}

/// Whether the settings can be followed, as far as they alone say.
///
/// # Errors
/// A recipient that is none.
pub fn ready(settings: &Archive) -> Result<()> {
    seal::Seal::of(&settings.age_recipients).map(drop)
}

/// Gathers and hashes what there is to archive; `work` is a private folder for what has to be made first.
///
/// # Errors
/// Something is not what the snapshot was made of, or cannot be read.
pub fn prepare(options: &Options<'_>, work: &Path) -> Result<(Plan, Contents)> {
    ready(options.settings)?;
    let contents = contents::gather(options, work)?;
    let areas = contents.areas();
    let plan = Plan {
        snapshot: options.snapshot.id().to_owned(),
        bucket: options.bucket.name().to_owned(),
        prefix: folder(options),
        objects: areas.iter().map(|area| area.objects).sum(),
        bytes: areas.iter().map(|area| area.bytes).sum(),
        areas,
        mode: options.settings.mode,
        years: options.settings.years,
        legal_hold: options.settings.legal_hold,
        recipients: options.settings.age_recipients.len(),
        git: contents.git.clone(),
        gone: contents.gone.clone(),
        left_out: contents.left_out.clone(),
        hidden: contents.hidden.clone(),
        no_files: contents.no_files.clone(),
    };
    Ok((plan, contents))
}

/// Sends what is missing and reads everything back; only then it is archived, and the staging file says so.
///
/// # Errors
/// The bucket keeps nothing or refuses; an object that came back is not what was sent.
pub async fn run(
    options: &Options<'_>,
    plan: Plan,
    contents: &Contents,
    work: &Path,
    observer: &dyn Observer,
) -> Result<Report> {
    let sent = send::send(options, contents, work, observer).await?;
    let index = &sent.indexed.index;
    let archived = Archived {
        snapshot: plan.snapshot.clone(),
        bucket: plan.bucket.clone(),
        prefix: plan.prefix.clone(),
        objects: index.objects.len() as u64,
        bytes: index.bytes(),
        index_sha256: sent.indexed.sha256.clone(),
        retain_until: index.kept.until.clone(),
        legal_hold: index.kept.legal_hold,
        who: options.who.clone(),
        at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    };
    let known = options.staging.archives()?;
    let before =
        known.into_iter().find(|one| one.is_of(&archived) && one.index_sha256 == archived.index_sha256);
    let (archived, unchanged) = match before.filter(|_| sent.unchanged && sent.objects == 0) {
        Some(before) => (before, true),
        None => {
            whole(options, &sent.indexed, observer).await?;
            options.staging.note_archive(&archived)?;
            (archived, false)
        }
    };
    std::fs::remove_dir_all(work).with_context(|| t!("purge.cannot_remove", path = work.display()))?;
    let (sent_objects, sent_bytes, extended) = (sent.objects, sent.bytes, sent.extended);
    Ok(Report { plan, sent_objects, sent_bytes, extended, unchanged, archived })
}

async fn whole(options: &Options<'_>, indexed: &Indexed, observer: &dyn Observer) -> Result<()> {
    let problems = prove(options.bucket, indexed, observer).await?;
    if problems.is_empty() {
        return Ok(());
    }
    let keys = problems.iter().take(5).map(|one| one.key.as_str()).collect::<Vec<_>>().join(", ");
    Err(Failure::findings(t!("archive.not_whole", count = problems.len(), keys = keys))
        .hint(format!("trasvase archive verify {} {}", options.clinic.name, options.snapshot.id()))
        .into())
}

/// Whether a name can be a snapshot's id: a SHA-256 in hexadecimal.
fn is_snapshot(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The archives of a clinic, by snapshot; unfinished ones too.
///
/// # Errors
/// The bucket does not list them, or an index is none.
pub async fn list(
    bucket: &Bucket,
    settings: &Archive,
    clinic: &Clinic,
) -> Result<Vec<(Found, Option<Indexed>)>> {
    let all = settings.folder(clinic.name.as_str());
    let mut found = Vec::new();
    // Consents lie below the clinic too, by what they are of.
    for snapshot in bucket.folders(&all).await?.into_iter().filter(|folder| is_snapshot(folder)) {
        let indexed = Indexed::find(bucket, &format!("{all}{snapshot}/")).await?;
        let index = indexed.as_ref().map(|indexed| &indexed.index);
        let one = Found {
            snapshot,
            at: index.map(|index| index.at.clone()),
            by: index.map(|index| index.by.clone()),
            objects: index.map(|index| index.objects.len() as u64).unwrap_or_default(),
            bytes: index.map(Index::bytes).unwrap_or_default(),
            until: index.and_then(|index| index.kept.until.clone()),
            legal_hold: index.is_some_and(|index| index.kept.legal_hold),
            sealed: index.is_some_and(|index| !index.kept.recipients.is_empty()),
        };
        found.push((one, indexed));
    }
    Ok(found)
}
