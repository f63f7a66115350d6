//! purge: once a clinic is signed off, its data goes from this machine, and from the ledger what is older than the clinic
//! keeps it; a list with hashes stays of what was destroyed.

mod files;
mod ledger;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use rust_i18n::t;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::config::{Clinic, Project, sheet, shown};
use crate::error::Failure;
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg::batches::{self, Batch};
use crate::staging::{Access, Ended, Limits, StageRow, Staging};

/// What to destroy.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub client: &'a Client,
    /// The target's name.
    pub target: &'a str,
    pub limits: &'a Limits,
    /// Who answers for it.
    pub who: String,
}

/// A file of the clinic's staging folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Below the project.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

/// Rows of the ledger that say what the target's or the old system's rows were like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub batch: String,
    /// `change`, `overwritten` or `record`, whose original rows are emptied.
    pub table: String,
    pub rows: u64,
    /// Over the hashes of the rows, in the order of their keys.
    pub sha256: String,
}

/// What would be destroyed; once it was, the list of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub clinic: ClinicName,
    pub clinic_uid: String,
    pub target: String,
    /// The last batch, which was signed off.
    pub batch: String,
    pub who: String,
    /// RFC 3339.
    pub at: String,
    /// `[retention] days`; without it the ledger keeps everything.
    pub retention_days: Option<u32>,
    pub files: Vec<FileEntry>,
    pub ledger: Vec<LedgerEntry>,
}

/// What was done.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub plan: Plan,
    /// Where the list is; none in a dry run, and where there was nothing to destroy.
    pub list: Option<String>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.ledger.is_empty()
    }
}

/// Says what a purge would destroy. Writes nothing.
///
/// # Errors
/// The clinic is not signed off; a file or the ledger cannot be read.
pub async fn plan(options: &Options<'_>) -> Result<Plan> {
    let batch = signed_off(options).await?;
    let clinic = options.clinic;
    Ok(Plan {
        clinic: clinic.name.clone(),
        clinic_uid: clinic.uid.clone(),
        target: options.target.to_owned(),
        batch,
        who: options.who.clone(),
        at: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        retention_days: clinic.retention.map(|retention| retention.days),
        files: files::list(options.project, &clinic.name)?,
        ledger: ledger::list(options.client, clinic).await?,
    })
}

/// Destroys what the plan names: first in the ledger, in one transaction, then the files. The list is there, as
/// `.partial`, before the first file goes, and gets its name with the last.
///
/// # Errors
/// PostgreSQL refuses, or a file cannot be removed: what is left is purged by the next attempt.
pub async fn run(options: &Options<'_>, mut plan: Plan) -> Result<Report> {
    if plan.is_empty() {
        return Ok(Report { plan, list: None });
    }
    plan.ledger = ledger::destroy(options.client, options.clinic).await?;
    let path = list_path(options, &plan);
    let partial = path.with_extension("json.partial");
    sheet::replace(&partial, &(serde_json::to_string_pretty(&plan)? + "\n"), 0o600)?;
    files::destroy(options.project, &plan)?;
    std::fs::rename(&partial, &path)?;
    Ok(Report { list: Some(shown(options.project, &path)), plan })
}

/// `clinics/<clinic>/purged-<time>.json`: in git, where it outlives the machine.
fn list_path(options: &Options<'_>, plan: &Plan) -> PathBuf {
    let time = plan.at.replace(['-', ':'], "");
    options.project.clinic_dir(&options.clinic.name).join(format!("purged-{time}.json"))
}

/// The files that purges of a clinic destroyed, below the project, with their hashes.
///
/// # Errors
/// A list that cannot be read.
pub fn destroyed(project: &Project, clinic: &Clinic) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(project.clinic_dir(&clinic.name))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("purged-") && name.ends_with(".json") {
            let list: Plan = serde_json::from_str(&std::fs::read_to_string(&path)?)
                .with_context(|| t!("config.cannot_read", path = shown(project, &path)))?;
            files.extend(list.files.into_iter().map(|file| (file.path, file.sha256)));
        }
    }
    Ok(files)
}

/// Whether the data is needed no more: the last batch is signed off on this target, and nothing was made since that is not.
/// Gives that batch.
async fn signed_off(options: &Options<'_>) -> Result<String> {
    let clinic = &options.clinic.name;
    let not = |why: &str| Failure::usage(t!("purge.not_signed_off", clinic = clinic, why = why));
    let batches = batches::list(options.client, clinic).await?;
    if let Some(batch) = batches.iter().find(|batch| batch.status == "running") {
        return Err(not(&t!("rollback.running", batch = batch.id)).hint("trasvase status").into());
    }
    // What was taken back, or failed, is not there: the last batch that stands is what the target holds.
    let Some(batch) = batches.iter().rev().find(|batch| batch.status == "completed") else {
        return Err(not(&t!("purge.no_batch", target = options.target)).hint("trasvase run").into());
    };
    let Some(signed) = &batch.signed else {
        let why = t!("purge.unsigned", batch = batch.id, target = options.target);
        return Err(not(&why).hint(format!("trasvase signoff {clinic} {} --by …", batch.id)).into());
    };
    // A purge may have taken it already.
    if options.project.duckdb_path(clinic).is_file() {
        let staging = Staging::open(options.project, options.clinic, Access::ReadOnly, options.limits)?;
        let back: Vec<&Batch> =
            batches.iter().filter(|one| one.number > batch.number && one.status == "rolled_back").collect();
        let stages = staging.stages()?;
        if !is_later(&signed.at, &stages)? && !is_of_batches(&back, &stages)? {
            return Err(not(&t!("purge.gone_on", batch = batch.id))
                .hint(t!("purge.gone_on_hint", clinic = clinic))
                .into());
        }
    }
    Ok(batch.id.clone())
}

/// Whether a moment is after every stage that made something.
fn is_later(at: &str, stages: &[StageRow]) -> Result<bool> {
    let at = DateTime::parse_from_rfc3339(at)?;
    let before = |time: &str| DateTime::parse_from_rfc3339(time).is_ok_and(|time| time <= at);
    let mut made = stages.iter().filter(|row| row.stage < Stage::Verify);
    Ok(made.all(|row| row.ended == Ended::Done && row.ended_at.as_deref().is_some_and(before)))
}

/// Whether all that is staged became the snapshot of one of these batches, which were taken back: nobody wants it any more.
/// What was loaded after that snapshot is of none of them, also where the batch was taken back later.
fn is_of_batches(back: &[&Batch], stages: &[StageRow]) -> Result<bool> {
    let Some(export) = stages.iter().find(|row| row.stage == Stage::Export) else { return Ok(false) };
    let is_theirs = back.iter().any(|one| export.output.as_deref() == Some(one.snapshot.as_str()));
    let pushed = stages.iter().filter(|row| row.stage == Stage::Push);
    let mut pushed = pushed.map(|row| row.counts["batch"].as_str().unwrap_or_default());
    let made: Vec<StageRow> = stages.iter().filter(|row| row.stage <= Stage::Export).cloned().collect();
    match export.ended_at.as_deref() {
        Some(at)
            if is_theirs
                && pushed.all(|batch| batch.is_empty() || back.iter().any(|one| one.id == batch)) =>
        {
            is_later(at, &made)
        }
        _ => Ok(false),
    }
}
