//! The way back: objects that `files` put into the buckets go, but for those that are kept and those that rows still tell of.

use std::collections::BTreeSet;

use anyhow::Result;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use tokio_postgres::Client;

use super::upload::SHA256;
use super::{Buckets, Shelf, unlisted};
use crate::aws::Bucket;
use crate::config::{Clinic, FileColumn};
use crate::error::{self, interrupt};
use crate::model::catalog::Catalog;
use crate::model::ident::{ClinicName, quoted};
use crate::model::manifest::Origin;
use crate::model::run::{Event, Observer, Stage};
use crate::pg::{After, ledger, origins};

/// Objects that are asked about, or removed, at once.
const AT_ONCE: usize = 16;
/// So many keys are asked of the target at once.
const KEYS: usize = 5_000;

/// What of one bucket is to be removed, or was.
#[derive(Debug, Clone, Serialize)]
pub struct Removal {
    pub shelf: Shelf,
    pub bucket: String,
    /// Objects that go, and their bytes.
    pub objects: u64,
    pub bytes: u64,
    /// Objects that are under retention or a legal hold.
    pub kept: u64,
    /// Until when the last of these is kept, RFC 3339; none where only a hold keeps them.
    pub kept_until: Option<String>,
    /// Objects that stay since rows of the target tell of them.
    pub told_of: u64,
    #[serde(skip)]
    ours: Vec<Ours>,
}

#[derive(Debug, Clone)]
struct Ours {
    key: String,
    version: Option<String>,
    bytes: u64,
}

/// The target whose rows may tell of objects.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    pub clinic: &'a Clinic,
    pub client: &'a Client,
    pub catalog: &'a Catalog,
    /// Its tables as they will be, where it is asked beforehand.
    pub after: &'a After,
}

/// Names of buckets that rows of ours tell of, whatever the settings say today.
///
/// # Errors
/// The target does not answer.
pub async fn buckets_told_of(
    clinic: &Clinic,
    client: &Client,
    catalog: &Catalog,
) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    if !ledger::exists(client).await? {
        return Ok(names);
    }
    for section in &clinic.files {
        let Some(table) = catalog.table(&section.table) else { continue };
        let (Some(bucket), [key]) = (section.column(FileColumn::Bucket), table.primary_key()) else {
            continue;
        };
        if table.column(&bucket).is_none() {
            continue;
        }
        let sql = format!(
            "select distinct t.{}::text from {} t join trasvase.row_digest d on d.key = t.{}::text and d.target_table = {} \
             join trasvase.batch b on b.number = d.batch and b.clinic = $1 and b.status = 'completed' and {} \
             where t.{0} is not null",
            quoted(&bucket),
            section.table.quoted(),
            quoted(key),
            ledger::code_sql(&section.table.to_string()),
            origins::is_sql("b", Origin::Files),
        );
        let rows = client.query(&sql, &[&clinic.name.as_str()]).await;
        names
            .extend(rows.map_err(|error| error::postgres(&error))?.iter().map(|row| row.get::<_, String>(0)));
    }
    Ok(names)
}

/// Looks at what lies below the clinic's part of the buckets. Ours is what is called by the hash of its bytes and says the same
/// hash of itself, whether or not a row tells of it: so what broke off is taken up again, and what was uploaded under other
/// settings too.
///
/// # Errors
/// A bucket that does not answer.
pub async fn plan(clinic: &ClinicName, buckets: &Buckets, now: i64) -> Result<Vec<Removal>> {
    let prefix = format!("{clinic}/");
    let mut plans = Vec::new();
    for (shelf, bucket) in buckets.all() {
        bucket.is_there().await?;
        let mut keys = bucket.keys(&prefix).await?;
        keys.retain(|key| is_of_a_file(key));
        plans.push(of_bucket(shelf, bucket, keys, now).await?);
    }
    Ok(plans)
}

/// `<clinic>/<entity>/<owner>/<hash>`; archives lie beside them.
fn is_of_a_file(key: &str) -> bool {
    let parts: Vec<&str> = key.split('/').collect();
    matches!(parts.as_slice(), [_, _, _, hash] if hash.len() == 64 && hash.bytes().all(|c| c.is_ascii_hexdigit()))
}

async fn of_bucket(shelf: Shelf, bucket: &Bucket, keys: Vec<String>, now: i64) -> Result<Removal> {
    let heads = stream::iter(keys).map(async |key| anyhow::Ok((bucket.head(&key, None).await?, key)));
    let heads: Vec<_> = heads.buffer_unordered(AT_ONCE).try_collect().await?;
    let name = bucket.name().to_owned();
    let mut plan = Removal {
        shelf,
        bucket: name,
        objects: 0,
        bytes: 0,
        kept: 0,
        kept_until: None,
        told_of: 0,
        ours: Vec::new(),
    };
    for (stored, key) in heads {
        let Some(stored) = stored else { continue };
        let named = key.rsplit('/').next().unwrap_or_default();
        if stored.metadata.get(SHA256).is_none_or(|hash| hash != named) {
            continue;
        }
        if stored.retention.runs(now) {
            plan.kept += 1;
            plan.kept_until = plan.kept_until.max(stored.retention.until_text());
            continue;
        }
        (plan.objects, plan.bytes) = (plan.objects + 1, plan.bytes + stored.bytes);
        plan.ours.push(Ours { key, version: stored.version, bytes: stored.bytes });
    }
    Ok(plan)
}

/// Removes them, once the rows that told of them are taken back.
///
/// # Errors
/// The target does not answer, or a bucket refuses; what went is gone, and the next time goes on.
pub async fn remove(
    told: Told<'_>,
    buckets: &Buckets,
    plan: Vec<Removal>,
    observer: &dyn Observer,
) -> Result<Vec<Removal>> {
    let mut removed = Vec::new();
    for mut one in plan {
        let Some((_, bucket)) = buckets.all().find(|(_, bucket)| bucket.name() == one.bucket) else {
            continue;
        };
        one.leave_told_of(told).await?;
        let go = std::mem::take(&mut one.ours);
        let (stage, subject) = (Stage::Files, one.bucket.as_str());
        observer.event(&Event::Started { stage, subject, total: Some(one.objects) });
        let gone = stream::iter(&go).map(async |ours| {
            interrupt::check()?;
            bucket.remove(&ours.key, ours.version.as_deref()).await?;
            observer.event(&Event::Advanced { stage, subject, amount: 1 });
            anyhow::Ok(())
        });
        gone.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        observer.event(&Event::Finished { stage, subject, rows: one.objects });
        removed.push(one);
    }
    Ok(removed)
}

impl Removal {
    /// Takes out what rows of the target tell of, whoever wrote them.
    ///
    /// # Errors
    /// The target does not answer.
    pub async fn leave_told_of(&mut self, told: Told<'_>) -> Result<()> {
        let keys: Vec<&str> = self.ours.iter().map(|ours| ours.key.as_str()).collect();
        let keys = told_of(told, &self.bucket, &keys).await?;
        let before = self.ours.len();
        self.ours.retain(|ours| !keys.contains(&ours.key));
        self.told_of += (before - self.ours.len()) as u64;
        self.objects = self.ours.len() as u64;
        self.bytes = self.ours.iter().map(|ours| ours.bytes).sum();
        Ok(())
    }
}

/// Which of these keys of a bucket rows of the target name; a row that names no bucket may mean any. In tables that no section is
/// about any more nobody knows which column it was, so that any text counts.
///
/// # Errors
/// The target does not answer.
pub async fn told_of(
    Told { clinic, client, catalog, after }: Told<'_>,
    bucket: &str,
    keys: &[&str],
) -> Result<BTreeSet<String>> {
    let mut questions = Vec::new();
    for section in &clinic.files {
        let Some(column) = section.column(FileColumn::ObjectKey) else { continue };
        let table = catalog.table(&section.table).filter(|table| table.column(&column).is_some());
        let Some(table) = table else { continue };
        let named = section.column(FileColumn::Bucket).filter(|name| table.column(name).is_some());
        let place = named.map_or_else(|| "null".to_owned(), |name| format!("{}::text", quoted(&name)));
        questions.push((&section.table, column, place));
    }
    let unlisted = unlisted::tables(clinic, client, catalog).await?;
    for name in &unlisted {
        let columns = catalog.table(name).into_iter().flat_map(|table| &table.columns);
        let texts = columns.filter(|column| column.data_type.is_text());
        questions.extend(texts.map(|column| (name, column.name.clone(), "null".to_owned())));
    }
    let mut found = BTreeSet::new();
    for (table, column, place) in questions {
        let sql = format!(
            "select {0}::text from {1} told where {0}::text = any($1) and coalesce({place}, $2) = $2",
            quoted(&column),
            after.rows(table)
        );
        for chunk in keys.chunks(KEYS) {
            let rows =
                client.query(&sql, &[&chunk, &bucket]).await.map_err(|error| error::postgres(&error))?;
            found.extend(rows.iter().map(|row| row.get::<_, String>(0)));
        }
    }
    Ok(found)
}
