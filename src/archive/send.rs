//! What is not there yet goes into the bucket, the index last.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::contents::{Contents, Item};
use super::index::{Entry, FORMAT, Index, Indexed, Kept, NAME, Plain};
use super::seal::{Seal, private};
use super::{Options, folder};
use crate::aws::{About, Lanes, Notes, Outgoing, Retention, Stored};
use crate::error::Failure;
use crate::model::hex;
use crate::model::run::{Event, Observer, Stage};
use crate::snapshot::hash_file;

/// Objects that are worked on at once; how much of them is in memory, [`Lanes`] says.
pub(super) const AT_ONCE: usize = 16;
/// Metadata of what is sealed.
const PLAIN: &str = "plain-sha256";
const RECIPIENTS: &str = "recipients";
/// Parts of names that a seal leaves as they are: they are tables and sources.
const TELLING_NOBODY: [&str; 2] = ["snapshot", "staging"];

/// What came of it.
pub(super) struct Sent {
    pub(super) indexed: Indexed,
    /// The index was there already, and says the same.
    pub(super) unchanged: bool,
    pub(super) objects: u64,
    pub(super) bytes: u64,
    /// Objects that are kept for longer from now on.
    pub(super) extended: u64,
}

/// One object that is there now.
struct Done {
    entry: Entry,
    sent: bool,
    extended: bool,
}

struct Sender<'a> {
    options: &'a Options<'a>,
    /// What all keys begin with.
    folder: String,
    /// The keys that are there.
    keys: BTreeSet<String>,
    seal: Option<Seal>,
    lanes: Lanes,
    notes: Notes,
    work: &'a Path,
    observer: &'a dyn Observer,
    now: DateTime<Utc>,
}

/// Sends everything and writes the index.
pub(super) async fn send(
    options: &Options<'_>,
    contents: &Contents,
    work: &Path,
    observer: &dyn Observer,
) -> Result<Sent> {
    let folder = folder(options);
    let sender = Sender {
        keys: options.bucket.keys(&folder).await?.into_iter().collect(),
        folder,
        seal: Seal::of(&options.settings.age_recipients)?,
        lanes: Lanes::default(),
        notes: Notes::open(&work.join("parts.jsonl"))?,
        options,
        work,
        observer,
        now: Utc::now(),
    };
    let mut items = contents.items.clone();
    items.extend(sender.names(contents)?);
    let subject = t!("archive.sending");
    let total = items.iter().map(|item| item.bytes).sum();
    observer.event(&Event::Started { stage: Stage::Archive, subject: &subject, total: Some(total) });
    let work_on = stream::iter(&items).map(|item| sender.object(item, &subject));
    let done: Vec<Done> = work_on.buffer_unordered(AT_ONCE).try_collect().await?;
    let bytes = done.iter().filter(|one| one.sent).map(|one| one.entry.bytes).sum();
    observer.event(&Event::Finished { stage: Stage::Archive, subject: &subject, rows: bytes });
    let objects = done.iter().filter(|one| one.sent).count() as u64;
    let extended = done.iter().filter(|one| one.extended).count() as u64;
    let entries = done.into_iter().map(|one| one.entry).collect();
    let (indexed, unchanged) = sender.index(contents, entries).await?;
    Ok(Sent { indexed, unchanged, objects, bytes, extended })
}

impl Sender<'_> {
    async fn object(&self, item: &Item, subject: &str) -> Result<Done> {
        let advanced = |amount| {
            self.observer.event(&Event::Advanced { stage: Stage::Archive, subject, amount });
        };
        let name = self.public(&item.name);
        let end = if self.seal.is_some() { ".age" } else { "" };
        let key = format!("{}{name}{end}", self.folder);
        if self.keys.contains(&key)
            && let Some(stored) = self.options.bucket.head(&key, None).await?
            && self.is_of(&stored, item)
        {
            let Options { bucket, settings, .. } = self.options;
            let (stored, extended) = bucket.keep(&key, stored, settings, self.now).await?;
            advanced(item.bytes);
            let sha256 = stored.metadata.get("sha256").cloned().unwrap_or_default();
            return Ok(Done { entry: self.entry(name, key, &stored, sha256, item), sent: false, extended });
        }
        let (outgoing, metadata) = match &self.seal {
            None => (item.clone(), Vec::new()),
            Some(seal) => {
                let about =
                    vec![(PLAIN.to_owned(), item.sha256.clone()), (RECIPIENTS.to_owned(), seal.id.clone())];
                (seal.sealed(item, self.work).await?, about)
            }
        };
        let about = About {
            retention: Retention::asked(self.options.settings, self.now),
            metadata,
            content_type: None,
        };
        let Item { path, bytes, sha256, .. } = &outgoing;
        let file = Outgoing { key: &key, path, bytes: *bytes, sha256, about };
        let stored = self.options.bucket.send(&file, &self.lanes, &self.notes, &advanced).await?;
        if stored.version.is_none() {
            let bucket = self.options.bucket.name();
            return Err(Failure::failed(t!("aws.no_versions", bucket = bucket, key = key)).into());
        }
        let entry = self.entry(name, key, &stored, sha256.clone(), item);
        Ok(Done { entry, sent: true, extended: false })
    }

    fn entry(&self, name: String, key: String, stored: &Stored, sha256: String, item: &Item) -> Entry {
        let plain = Plain { bytes: item.bytes, sha256: item.sha256.clone() };
        Entry {
            name,
            key,
            version: stored.version.clone(),
            bytes: stored.bytes,
            sha256,
            until: stored.retention.until_text(),
            plain: self.seal.is_some().then_some(plain),
        }
    }

    /// Whether an object is what this file would become.
    fn is_of(&self, stored: &Stored, item: &Item) -> bool {
        let is = |name: &str, value: &str| stored.metadata.get(name).is_some_and(|there| there == value);
        match &self.seal {
            None => is("sha256", &item.sha256) && stored.bytes == item.bytes,
            Some(seal) => is(PLAIN, &item.sha256) && is(RECIPIENTS, &seal.id),
        }
    }

    /// A name as the bucket may see it.
    fn public(&self, name: &str) -> String {
        match name.split_once('/') {
            Some((area, _)) if self.seal.is_some() && !TELLING_NOBODY.contains(&area) => {
                format!("{area}/{}", &hex(Sha256::digest(name))[..32])
            }
            _ => name.to_owned(),
        }
    }

    /// Which file is behind which hash, for those who can open it.
    fn names(&self, contents: &Contents) -> Result<Option<Item>> {
        if self.seal.is_none() {
            return Ok(None);
        }
        let names = contents.items.iter().map(|item| (self.public(&item.name), &item.name));
        let names: serde_json::Map<String, serde_json::Value> = names
            .filter(|(public, name)| public != *name)
            .map(|(public, name)| (public, name.as_str().into()))
            .collect();
        let path = self.written("names.json", &(serde_json::to_string_pretty(&names)? + "\n"))?;
        let (sha256, bytes) = hash_file(&path)?;
        Ok(Some(Item { name: "names.json".to_owned(), path, bytes, sha256 }))
    }

    fn written(&self, name: &str, text: &str) -> Result<PathBuf> {
        use std::io::Write as _;
        let path = self.work.join(name);
        private(&path)?.write_all(text.as_bytes())?;
        Ok(path)
    }

    /// Writes the index, unless there is one that says the same. What an earlier one names and this archive has no more,
    /// such as a report that was removed here, stays named.
    async fn index(&self, contents: &Contents, mut entries: Vec<Entry>) -> Result<(Indexed, bool)> {
        let before = match self.keys.contains(&format!("{}{NAME}", self.folder)) {
            true => Indexed::find(self.options.bucket, &self.folder).await?,
            false => None,
        };
        if let Some(before) = &before {
            let names: BTreeSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
            let others = before.index.objects.iter().filter(|entry| !names.contains(&entry.name));
            entries.extend(others.cloned());
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let settings = self.options.settings;
        let index = Index {
            format: FORMAT,
            clinic: self.options.clinic.name.clone(),
            clinic_uid: self.options.clinic.uid.clone(),
            snapshot: self.options.snapshot.id().to_owned(),
            at: self.now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            by: self.options.who.clone(),
            program: concat!("trasvase ", env!("CARGO_PKG_VERSION")).to_owned(),
            git: contents.git.clone(),
            kept: Kept {
                mode: settings.mode,
                years: settings.years,
                legal_hold: settings.legal_hold,
                until: entries.iter().filter_map(|entry| entry.until.clone()).min(),
                recipients: settings.age_recipients.clone(),
            },
            gone: contents.gone.clone(),
            objects: entries,
        };
        if let Some(before) = before.filter(|before| before.index.same(&index)) {
            return Ok((before, true));
        }
        let path = self.written(NAME, &index.text()?)?;
        let (sha256, bytes) = hash_file(&path)?;
        let key = format!("{}{NAME}", self.folder);
        let json = Some("application/json".to_owned());
        let about = About {
            retention: Retention::asked(self.options.settings, self.now),
            content_type: json,
            ..About::default()
        };
        let file = Outgoing { key: &key, path: &path, bytes, sha256: &sha256, about };
        let stored = self.options.bucket.send(&file, &self.lanes, &self.notes, &|_| {}).await?;
        Ok((Indexed { index, key, version: stored.version, bytes, sha256 }, false))
    }
}
