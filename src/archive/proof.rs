//! Every object is read again, hashed, and asked how long it is kept.

use anyhow::Result;
use chrono::Utc;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rust_i18n::t;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::index::{Entry, Indexed};
use crate::aws::{Bucket, Stored};
use crate::model::hex;
use crate::model::manifest::SourceFile;
use crate::model::run::{Event, Observer, Stage};
use crate::snapshot;

const MANIFEST: &str = "snapshot/manifest.json";
/// Objects that are read at once.
const AT_ONCE: usize = 8;

/// What is wrong with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    Missing,
    /// Other bytes than were archived.
    Changed,
    /// It can be deleted now, or earlier than was written down, or is not held any more.
    Unretained,
    /// The archive has no index: it was never finished.
    Unfinished,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub name: String,
    pub key: String,
    pub fault: Fault,
}

/// Reads all objects of an archive, its index too, and names those that are not as they were archived.
///
/// # Errors
/// The server does not answer.
pub async fn prove(bucket: &Bucket, indexed: &Indexed, observer: &dyn Observer) -> Result<Vec<Problem>> {
    let subject = t!("archive.reading");
    let total = indexed.index.bytes() + indexed.bytes;
    observer.event(&Event::Started { stage: Stage::Archive, subject: &subject, total: Some(total) });
    let own = indexed.entry();
    let entries = indexed.index.objects.iter().chain([&own]);
    let held = indexed.index.kept.legal_hold;
    let asked = stream::iter(entries).map(|entry| look(bucket, (entry, held), observer, &subject));
    let found: Vec<Option<Fault>> = asked.buffered(AT_ONCE).try_collect().await?;
    observer.event(&Event::Finished { stage: Stage::Archive, subject: &subject, rows: total });
    let entries = indexed.index.objects.iter().chain([&own]).zip(found);
    let problem = |(entry, fault): (&Entry, Option<Fault>)| {
        Some(Problem { name: entry.name.clone(), key: entry.key.clone(), fault: fault? })
    };
    let mut problems: Vec<Problem> = entries.filter_map(problem).collect();
    if problems.is_empty() {
        problems.extend(uncertified(bucket, indexed).await?);
    }
    Ok(problems)
}

/// A snapshot's id says what its manifest is, and that what its files are: an index that was written anew, and says
/// otherwise, is found by it. Of a sealed archive only who can open it could say.
async fn uncertified(bucket: &Bucket, indexed: &Indexed) -> Result<Vec<Problem>> {
    let objects = &indexed.index.objects;
    let own = objects.iter().find(|one| one.name == MANIFEST);
    if own.is_some_and(|own| own.plain.is_some()) {
        return Ok(Vec::new());
    }
    let problem = |name: String, fault| Problem { key: name.clone(), name, fault };
    let Some(own) = own else { return Ok(vec![problem(MANIFEST.to_owned(), Fault::Missing)]) };
    let text = bucket.text(&own.key, own.version.as_deref()).await?;
    let manifest = text.and_then(|(text, _)| snapshot::manifest(&text));
    let Some(manifest) = manifest.filter(|manifest| manifest.id == indexed.index.snapshot) else {
        return Ok(vec![problem(MANIFEST.to_owned(), Fault::Changed)]);
    };
    let wrong = |file: SourceFile| {
        let name = format!("snapshot/{}", file.name);
        match objects.iter().find(|one| one.name == name) {
            Some(one) if one.sha256 == file.sha256 => None,
            Some(_) => Some(problem(name, Fault::Changed)),
            None => Some(problem(name, Fault::Missing)),
        }
    };
    Ok(manifest.files().filter_map(wrong).collect())
}

async fn look(
    bucket: &Bucket,
    (entry, held): (&Entry, bool),
    observer: &dyn Observer,
    subject: &str,
) -> Result<Option<Fault>> {
    let mut hash = Sha256::new();
    let stored = bucket.read(&entry.key, entry.version.as_deref(), |block| {
        hash.update(block);
        let amount = block.len() as u64;
        observer.event(&Event::Advanced { stage: Stage::Archive, subject, amount });
        Ok(())
    });
    let Some(stored) = stored.await? else { return Ok(Some(Fault::Missing)) };
    if stored.bytes != entry.bytes || hex(hash.finalize()) != entry.sha256 {
        return Ok(Some(Fault::Changed));
    }
    Ok((!is_kept(&stored, entry, held)).then_some(Fault::Unretained))
}

/// Kept at this moment, until the time that was written down, and held where it was.
fn is_kept(stored: &Stored, entry: &Entry, held: bool) -> bool {
    let written = entry.until.as_deref().and_then(|until| chrono::DateTime::parse_from_rfc3339(until).ok());
    let as_long =
        stored.retention.legal_hold || stored.retention.until >= written.map(|until| until.timestamp());
    stored.retention.runs(Utc::now().timestamp()) && as_long && (stored.retention.legal_hold || !held)
}
