//! What is not in the buckets yet goes there.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rust_i18n::t;

use super::place::{Object, Shelf, prefix};
use super::{Options, ShelfPlan};
use crate::aws::{About, Lanes, Notes, Outgoing, Retention};
use crate::config::Archive;
use crate::error::Failure;
use crate::model::run::{Event, Observer, Stage};
use crate::staging::private_folder;

/// Objects that are worked on at once; how much of them is in memory, [`Lanes`] says.
const AT_ONCE: usize = 16;
/// How the metadata of an object names the hash of its bytes.
pub(super) const SHA256: &str = "sha256";

/// What went up.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) objects: u64,
    pub(super) bytes: u64,
    pub(super) extended: u64,
}

/// Asks the buckets what is there.
pub(super) async fn compare(options: &Options<'_>, objects: &mut [Object]) -> Result<Vec<ShelfPlan>> {
    let consents: BTreeSet<String> =
        objects.iter().filter(|one| one.shelf == Shelf::Worm).map(|one| one.sha256.clone()).collect();
    let prefixes: BTreeSet<String> =
        options.clinic.files.iter().map(|section| prefix(options.clinic.name.as_str(), section)).collect();
    let mut plans = Vec::new();
    for shelf in [Shelf::General, Shelf::Worm] {
        let needed = objects.iter().any(|object| object.shelf == shelf);
        let bucket = match (needed, options.buckets.get(shelf)) {
            (true, _) => options.buckets.of(shelf)?,
            // What became a consent may lie here still.
            (false, Some(bucket)) if shelf == Shelf::General && bucket.is_there().await.is_ok() => bucket,
            (false, _) => continue,
        };
        match shelf {
            Shelf::General => bucket.is_there().await?,
            Shelf::Worm => {
                settings(options)?;
                bucket.keeps().await?;
            }
        }
        let mut there = BTreeSet::new();
        for prefix in &prefixes {
            there.extend(bucket.keys(prefix).await?);
        }
        let name = bucket.name().to_owned();
        let mut plan = ShelfPlan { shelf, bucket: name, ..ShelfPlan::default() };
        if shelf == Shelf::General {
            let is_consent =
                |key: &&String| key.rsplit('/').next().is_some_and(|hash| consents.contains(hash));
            plan.consents = there.iter().filter(is_consent).cloned().collect();
        }
        for object in objects.iter_mut().filter(|object| object.shelf == shelf) {
            object.listed = there.contains(&object.key);
            plan.consents.remove(&object.key);
            (plan.objects, plan.bytes) = (plan.objects + 1, plan.bytes + object.bytes);
            if !object.listed {
                (plan.new_objects, plan.new_bytes) = (plan.new_objects + 1, plan.new_bytes + object.bytes);
            }
        }
        if needed || !plan.consents.is_empty() {
            plans.push(plan);
        }
    }
    Ok(plans)
}

/// How long consents are kept.
fn settings<'a>(options: &Options<'a>) -> Result<&'a Archive> {
    options.clinic.archive.as_ref().ok_or_else(|| {
        Failure::usage(t!("files.no_retention")).hint(t!("config.archive_retention_hint")).into()
    })
}

/// Sends every object that is not there with these very bytes.
pub(super) async fn send(options: &Options<'_>, objects: &[Object], observer: &dyn Observer) -> Result<Sent> {
    let work = options.project.staging_dir(&options.clinic.name).join("files");
    private_folder(&work)?;
    let notes = Notes::open(&work.join("parts.jsonl"))?;
    let sender = Sender { options, lanes: Lanes::default(), notes, observer, now: Utc::now() };
    let subject = t!("files.sending");
    let total = objects.iter().map(|object| object.bytes).sum();
    observer.event(&Event::Started { stage: Stage::Files, subject: &subject, total: Some(total) });
    let done = stream::iter(objects).map(|object| sender.object(object, &subject));
    let done: Vec<Sent> = done.buffer_unordered(AT_ONCE).try_collect().await?;
    let sent = done.into_iter().fold(Sent::default(), |sum, one| Sent {
        objects: sum.objects + one.objects,
        bytes: sum.bytes + one.bytes,
        extended: sum.extended + one.extended,
    });
    observer.event(&Event::Finished { stage: Stage::Files, subject: &subject, rows: sent.bytes });
    std::fs::remove_dir_all(&work).with_context(|| t!("purge.cannot_remove", path = work.display()))?;
    Ok(sent)
}

struct Sender<'a> {
    options: &'a Options<'a>,
    lanes: Lanes,
    notes: Notes,
    observer: &'a dyn Observer,
    now: DateTime<Utc>,
}

impl Sender<'_> {
    async fn object(&self, object: &Object, subject: &str) -> Result<Sent> {
        let advanced = |amount| {
            self.observer.event(&Event::Advanced { stage: Stage::Files, subject, amount });
        };
        let bucket = self.options.buckets.of(object.shelf)?;
        let stored = if object.listed { bucket.head(&object.key, None).await? } else { None };
        let is_it = |hash: Option<&String>| hash.is_some_and(|hash| *hash == object.sha256);
        if let Some(stored) = stored
            && stored.bytes == object.bytes
            && is_it(stored.metadata.get(SHA256))
        {
            let extended = match object.shelf {
                Shelf::General => false,
                Shelf::Worm => bucket.keep(&object.key, stored, settings(self.options)?, self.now).await?.1,
            };
            advanced(object.bytes);
            return Ok(Sent { extended: u64::from(extended), ..Sent::default() });
        }
        let retention = match object.shelf {
            Shelf::General => Retention::default(),
            Shelf::Worm => Retention::asked(settings(self.options)?, self.now),
        };
        let content_type = Some(object.content_type.to_owned());
        let Object { key, path, bytes, sha256, .. } = object;
        let about = About { retention, content_type, ..About::default() };
        let file = Outgoing { key, path, bytes: *bytes, sha256, about };
        bucket.send(&file, &self.lanes, &self.notes, &advanced).await?;
        Ok(Sent { objects: 1, bytes: *bytes, extended: 0 })
    }
}
