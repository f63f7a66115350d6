//! files: documents and photos go into a bucket, and rows of the target tell of them, bound to their owners.
//!
//! What is there is not sent again: objects are found by the hash of their bytes, so that the same bytes go up once however
//! many rows name them. The rows are a snapshot of an origin of their own, which the push takes as it takes any other: so
//! before-images, verification, rollback and "again writes nothing" are those of every push.

mod finding;
mod list;
mod look;
mod owners;
mod place;
pub mod removal;
mod rows;
mod unlisted;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use tokio_postgres::Client;

use crate::aws::Bucket;
use crate::config::{Clinic, Project};
use crate::model::catalog::Catalog;
use crate::model::run::Observer;
use crate::snapshot::Snapshot;
use crate::staging::Staging;

pub use finding::{Finding, Place, ROWS_UNLISTED};
pub use place::Shelf;

/// What to upload, and where its rows go.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub staging: &'a Staging,
    /// The models' snapshot, whose rows are the owners.
    pub main: &'a Snapshot,
    pub client: &'a Client,
    pub catalog: &'a Catalog,
    pub buckets: &'a Buckets,
}

/// Where objects go. Only those that are needed are there.
#[derive(Default)]
pub struct Buckets {
    pub general: Option<Bucket>,
    /// For consents.
    pub worm: Option<Bucket>,
    /// Those that rows tell of and that are neither: the settings were others once.
    pub others: Vec<Bucket>,
}

impl Buckets {
    fn get(&self, shelf: Shelf) -> Option<&Bucket> {
        match shelf {
            Shelf::General => self.general.as_ref(),
            Shelf::Worm => self.worm.as_ref(),
        }
    }

    /// Whether one of them is called so.
    pub fn has(&self, name: &str) -> bool {
        self.all().any(|(_, bucket)| bucket.name() == name)
    }

    fn all(&self) -> impl Iterator<Item = (Shelf, &Bucket)> {
        let known = [Shelf::General, Shelf::Worm].map(|shelf| Some((shelf, self.get(shelf)?)));
        known.into_iter().flatten().chain(self.others.iter().map(|bucket| (Shelf::General, bucket)))
    }

    pub(crate) fn of(&self, shelf: Shelf) -> Result<&Bucket> {
        self.get(shelf).context("a bucket is named before it is needed")
    }
}

/// What would be done.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// Rows that tell of files, by table.
    pub rows: BTreeMap<String, u64>,
    pub shelves: Vec<ShelfPlan>,
    pub findings: Vec<Finding>,
    #[serde(skip)]
    work: Work,
}

/// What goes into one bucket.
#[derive(Debug, Default, Serialize)]
pub struct ShelfPlan {
    pub shelf: Shelf,
    pub bucket: String,
    pub objects: u64,
    pub bytes: u64,
    /// Of these, what is not there yet.
    pub new_objects: u64,
    pub new_bytes: u64,
    /// Keys of objects of the general bucket that are consents now.
    #[serde(skip)]
    pub consents: BTreeSet<String>,
}

/// What is behind a plan.
#[derive(Debug, Default)]
struct Work {
    rows: Vec<place::Row>,
    objects: Vec<place::Object>,
    named: Named,
}

/// What the sections name, whether or not it can be uploaded.
#[derive(Debug, Default)]
struct Named {
    /// Section, path and owner.
    files: Vec<(usize, String, String)>,
    /// Sections that name more than can be told.
    unclear: BTreeSet<usize>,
}

/// What was done.
#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub plan: Plan,
    pub sent_objects: u64,
    pub sent_bytes: u64,
    /// Objects that are kept for longer from now on.
    pub extended: u64,
    /// The snapshots of the rows, one a table.
    pub snapshots: Vec<String>,
}

/// Which buckets the clinic's files need: the general one, the one for consents.
///
/// # Errors
/// A list that is not there.
pub fn shelves(clinic: &Clinic, staging: &Staging) -> Result<(bool, bool)> {
    let (mut general, mut worm) = (false, false);
    for section in &clinic.files {
        let (some, others) = list::consents(section, staging)?;
        worm |= some;
        general |= others;
    }
    Ok((general, worm))
}

/// Looks at every file, its owner and its object; writes nothing anywhere.
///
/// # Errors
/// A list, a table or a column that is not there; a bucket that does not answer.
pub async fn plan(options: &Options<'_>, observer: &dyn Observer) -> Result<Plan> {
    let mut findings = finding::Findings::default();
    let (mut files, mut named) = (Vec::new(), Named::default());
    for (number, section) in options.clinic.files.iter().enumerate() {
        rows::known(options, section)?;
        let list::Read { listed, refused, unclear } = list::read(options, number, section, &mut findings)?;
        named.unclear.extend(unclear.then_some(number));
        named.files.extend(refused.into_iter().map(|(path, owner)| (number, path, owner)));
        named.files.extend(listed.iter().map(|one| (number, one.path.clone(), one.owner.clone())));
        files.extend(owners::bind(options, section, listed, &mut findings).await?);
    }
    unlisted::find(options, &mut findings).await?;
    let seen = look::all(options, &files, &mut findings, observer).await?;
    let (rows, mut objects) = place::all(options, files, &seen).await?;
    let shelves = upload::compare(options, &mut objects).await?;
    let mut by_table: BTreeMap<String, u64> = BTreeMap::new();
    for row in &rows {
        *by_table.entry(options.clinic.files[row.file.section].table.to_string()).or_default() += 1;
    }
    Ok(Plan { rows: by_table, shelves, findings: findings.into_list(), work: Work { rows, objects, named } })
}

/// The rows that a plan has, as snapshots in a folder, one a table.
///
/// # Errors
/// The folder cannot be written.
pub fn snapshots(options: &Options<'_>, plan: &Plan, folder: &Path) -> Result<Vec<Snapshot>> {
    rows::write(options, folder, &plan.work.rows, &plan.work.named)
}

/// Sends what is missing, and makes the snapshots of the rows.
///
/// # Errors
/// A bucket refuses; what went up is there and is not sent again.
pub async fn run(options: &Options<'_>, plan: Plan, observer: &dyn Observer) -> Result<Report> {
    let sent = upload::send(options, &plan.work.objects, observer).await?;
    let folder = options.project.snapshots_dir(&options.clinic.name);
    let snapshots = snapshots(options, &plan, &folder)?.iter().map(|one| one.id().to_owned()).collect();
    finding::note(options.staging, &plan.findings)?;
    let (sent_objects, sent_bytes) = (sent.objects, sent.bytes);
    Ok(Report { plan, sent_objects, sent_bytes, extended: sent.extended, snapshots })
}
