//! purge: once a clinic is signed off, its data goes from this machine, and from the ledger what is older than the clinic
//! keeps it; a list with hashes stays of what was destroyed.

mod files;
mod ledger;

use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use rust_i18n::t;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::config::{Clinic, Project, sheet, shown};
use crate::error::{self, Failure};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::staging::{Access, Ended, Limits, Staging};

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

/// Whether the data is needed no more; gives the last batch. For now, that is a batch which is completed and was verified
/// on this target without a difference, with nothing done since. To be replaced by the sign-off.
async fn signed_off(options: &Options<'_>) -> Result<String> {
    let clinic = &options.clinic.name;
    let not = |why: &str| Failure::usage(t!("purge.not_signed_off", clinic = clinic, why = why));
    let batch = last_batch(options).await?;
    let Some((batch, _)) = batch.filter(|(_, status)| status == "completed") else {
        return Err(not(&t!("purge.no_batch", target = options.target)).hint("trasvase run").into());
    };
    if !options.project.duckdb_path(clinic).is_file() {
        // An earlier purge took it, and what was signed off then still is.
        return match purged(&options.project.clinic_dir(clinic), &batch)? {
            true => Ok(batch),
            false => Err(not(&t!("purge.unverified", target = options.target)).hint("trasvase run").into()),
        };
    }
    let staging = Staging::open(options.project, options.clinic, Access::ReadOnly, options.limits)?;
    match verified(&staging, options.target)? {
        true => Ok(batch),
        false => Err(not(&t!("purge.unverified", target = options.target)).hint("trasvase verify").into()),
    }
}

/// Id and status of the clinic's last batch.
async fn last_batch(options: &Options<'_>) -> Result<Option<(String, String)>> {
    if !crate::pg::ledger::exists(options.client).await? {
        return Ok(None);
    }
    let sql = "select id, status from trasvase.batch where clinic = $1 and clinic_uid = $2 order by number desc limit 1";
    let row = options.client.query_opt(sql, &[&options.clinic.name.as_str(), &options.clinic.uid]).await;
    Ok(row.map_err(|error| error::postgres(&error))?.map(|row| (row.get(0), row.get(1))))
}

/// Whether the last thing done was a verification on this target that found nothing.
fn verified(staging: &Staging, target: &str) -> Result<bool> {
    let stages = staging.stages()?;
    let ended = |stage: Stage| {
        let row = stages.iter().find(|row| row.stage == stage && row.ended == Ended::Done)?;
        DateTime::parse_from_rfc3339(row.ended_at.as_deref()?).ok()
    };
    let Some(last) = ended(Stage::Verify) else { return Ok(false) };
    let clean = stages.iter().any(|row| {
        row.stage == Stage::Verify && row.counts["clean"] == true && row.counts["target"] == target
    });
    Ok(clean && Stage::ALL.into_iter().all(|stage| ended(stage).is_some_and(|time| time <= last)))
}

/// Whether a list says that this batch was purged.
fn purged(folder: &Path, batch: &str) -> Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("purged-") || !name.ends_with(".json") {
            continue;
        }
        let list: Result<Plan, _> = serde_json::from_str(&std::fs::read_to_string(&path)?);
        if list.is_ok_and(|list| list.batch == batch) {
            return Ok(true);
        }
    }
    Ok(false)
}
