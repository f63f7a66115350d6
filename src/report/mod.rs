//! report: what a migration came to, in one structure: its page and its JSON are made of the same, so they cannot differ.
//!
//! It reads a snapshot, what the staging file says of it, and what a verification found; it writes nothing. No value of a
//! cell is in it but masked, unless that is asked for.

mod answer;
mod checklist;
pub mod compare;
mod counts;
mod findings;
mod quality;
mod work;

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use crate::config::{Clinic, Labels, Project};
use crate::desk::{self, Decided, Decisions};
use crate::model::ident::{ClinicName, TableName};
use crate::model::manifest::SourceFile;
use crate::model::profile::{Reference, SourceProfile};
use crate::model::proof::Proof;
use crate::pg::batches::{Batch, Signed};
use crate::snapshot::Snapshot;
use crate::staging::{OwnStepRow, StageRun, Staging};

pub use answer::{Answer, Verdict};
pub use checklist::{Check, Item, State};
pub use counts::{Note, SourceCounts};
pub use findings::{Example, Finding, Reject};
pub use quality::{Kind as ProblemKind, Problem};
pub use work::{Duplicates, Fixes, MapCoverage, Model};

/// Version of the JSON form.
const FORMAT: u32 = 1;

/// What to report of.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub snapshot: &'a Snapshot,
    pub staging: Option<&'a Staging>,
    /// The target's name.
    pub target: &'a str,
    /// What the target's ledger says of the batch that wrote the snapshot.
    pub batch: Option<Batch>,
    pub verification: Option<Verification>,
    /// Why the target was not asked now.
    pub not_verified: Option<String>,
    /// Cells stand there as they are.
    pub show_values: bool,
    /// Examples of each kind of finding.
    pub examples: usize,
    /// What the sources look like, where that is asked for.
    pub profile: Vec<SourceProfile>,
    /// Which of them name records of which.
    pub references: Vec<Reference>,
}

/// A whole report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub format: u32,
    pub clinic: ClinicName,
    pub clinic_uid: String,
    pub product: String,
    pub system: String,
    /// RFC 3339.
    pub made_at: String,
    pub program: String,
    pub snapshot: String,
    pub target: String,
    pub batch: Option<Batch>,
    /// Cells stand here as they are.
    pub values_shown: bool,
    /// The staging file still is what the snapshot was made of; else what it says is left out.
    pub staging: bool,
    pub answer: Answer,
    pub sources: Vec<SourceCounts>,
    /// What was left out, flagged and corrected.
    pub quality: Vec<Problem>,
    pub findings: Vec<Finding>,
    pub rejects: Vec<Reject>,
    pub duplicates: Vec<Duplicates>,
    pub verification: Option<Verification>,
    /// Why the target was not asked for this report.
    pub not_verified: Option<String>,
    pub maps: Vec<MapCoverage>,
    pub fixes: Vec<Fixes>,
    /// What each stage took the last time.
    pub stages: Vec<StageRun>,
    /// What the clinic's system calls these stages, and their parts that it has a name for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub phases: BTreeMap<String, String>,
    /// How the clinic's own steps ended last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_steps: Vec<OwnStepRow>,
    pub models: Vec<Model>,
    pub files: Vec<SnapshotFile>,
    pub checklist: Vec<Check>,
    pub signed: Option<Signed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<SourceProfile>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

/// What a verification found, and when.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    pub target: String,
    /// RFC 3339.
    pub at: String,
    /// It was run for this report; else it is the last one that the staging file knows of.
    pub fresh: bool,
    pub faults: Vec<Decided>,
    #[serde(flatten)]
    pub proof: Proof,
}

/// A file of the snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct SnapshotFile {
    #[serde(flatten)]
    pub file: SourceFile,
    pub rows: u64,
    /// Of a file of rows.
    pub table: Option<TableName>,
}

/// Gathers everything that there is to say.
///
/// # Errors
/// The staging file or the decisions cannot be read.
pub fn run(options: Options<'_>) -> Result<Report> {
    let manifest = options.snapshot.manifest();
    let staging = options.staging.filter(|staging| staging.holds(&manifest.id).unwrap_or(false));
    let here = Here { staging, mask: !options.show_values, most: options.examples };
    let decisions = Decisions::read(options.project, options.clinic)?;
    let issues = match staging {
        Some(staging) => desk::issues(staging, &decisions)?,
        None => Vec::new(),
    };
    let verification = options.verification.map(|one| match options.show_values {
        true => one,
        false => Verification { proof: one.proof.masked(), ..one },
    });
    let findings = findings::all(&here, manifest, &issues)?;
    let labels = Labels::read(options.project, options.clinic)?;
    let mut sources = counts::of(&here, options.clinic, manifest, &labels)?;
    if let Some(verification) = &verification {
        counts::leave_out(&mut sources, &verification.proof);
    }
    let signed = options.batch.as_ref().and_then(|batch| batch.signed.clone());
    let mut report = Report {
        format: FORMAT,
        clinic: manifest.clinic.clone(),
        clinic_uid: manifest.clinic_uid.clone(),
        product: manifest.product.clone(),
        system: manifest.system.clone(),
        made_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        program: concat!("trasvase ", env!("CARGO_PKG_VERSION")).to_owned(),
        snapshot: manifest.id.clone(),
        target: options.target.to_owned(),
        batch: options.batch,
        values_shown: options.show_values,
        staging: staging.is_some(),
        answer: Answer::unproven(),
        quality: quality::of(&here, &sources, &findings, &labels)?,
        sources,
        findings,
        rejects: findings::rejects(&here, manifest)?,
        duplicates: work::duplicates(manifest, options.snapshot)?,
        verification,
        not_verified: options.not_verified,
        maps: work::maps(&here)?,
        fixes: work::fixes(&here)?,
        phases: work::phases(&labels),
        stages: work::stages(options.staging, manifest, options.target)?,
        own_steps: options.staging.map_or(Ok(Vec::new()), Staging::own_steps)?,
        models: work::models(&here, manifest)?,
        files: work::files(manifest),
        checklist: Vec::new(),
        signed,
        profile: options.profile,
        references: options.references,
    };
    report.answer = answer::of(&report);
    report.checklist = checklist::of(&report, options.project, options.clinic, options.staging)?;
    Ok(report)
}

/// What is at hand.
struct Here<'a> {
    /// The staging file, if it is what the snapshot was made of.
    staging: Option<&'a Staging>,
    mask: bool,
    /// Examples of a kind.
    most: usize,
}

impl Here<'_> {
    /// A cell of the target as it may be shown.
    fn shown(&self, value: &str) -> String {
        if self.mask { crate::model::masked::masked_key(value) } else { value.to_owned() }
    }

    /// A value of a source as it may be shown.
    fn shown_of_source(&self, value: &str) -> String {
        if self.mask { crate::model::masked::masked(value) } else { value.to_owned() }
    }

    /// The rows of a query of the staging file; none where it is not at hand, or is of an earlier program.
    fn rows<T>(&self, sql: &str, read: impl FnMut(&duckdb::Row<'_>) -> duckdb::Result<T>) -> Result<Vec<T>> {
        self.staging.map_or(Ok(Vec::new()), |staging| staging.rows(sql, read))
    }

    fn has(&self, schema: &str, table: &str) -> Result<bool> {
        self.staging.map_or(Ok(false), |staging| staging.has_table(schema, table))
    }
}
