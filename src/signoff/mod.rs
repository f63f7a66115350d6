//! signoff: seals what a batch was made of and what it left in the target, so that anybody can prove later that it is
//! still that.
//!
//! The document holds hashes, names and counts, and no value; it stands in git beside the clinic's settings, and the ledger
//! has it too. Its seal is the SHA-256 of all of it in one fixed form.

mod check;
mod document;
mod ledger;

use std::path::PathBuf;

use anyhow::Result;
use rust_i18n::t;
use tokio_postgres::Client;

use crate::config::{Clinic, Project, sheet};
use crate::desk::{self, Decided, Decisions};
use crate::error::Failure;
use crate::model::manifest::SourceFile;
use crate::model::proof::Proof;
use crate::pg::batches::Batch;
use crate::snapshot::Snapshot;

pub use check::{Here, Line, Report, State, Target, What, check};
pub use document::{Accepted, Document, Open, SealedSource, SealedTable};
pub use ledger::read;

/// What is signed, and by whom.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub snapshot: &'a Snapshot,
    pub batch: &'a Batch,
    /// The target's name.
    pub target: &'a str,
    pub by: &'a str,
    /// A verification of this moment.
    pub proof: &'a Proof,
}

/// Where a batch's document stands.
pub fn path(project: &Project, clinic: &Clinic, batch: &str) -> PathBuf {
    project.clinic_dir(&clinic.name).join("signoff").join(format!("{batch}.json"))
}

/// Where a copy of its snapshot's manifest stands: with it the target can be compared when a purge has taken the snapshot.
pub fn manifest_path(project: &Project, clinic: &Clinic, batch: &str) -> PathBuf {
    project.clinic_dir(&clinic.name).join("signoff").join(format!("{batch}.manifest.json"))
}

/// What would be sealed, without report and seal.
///
/// # Errors
/// A batch that is not completed or is signed off already; something that a verification found, or something critical,
/// that nobody accepted with a reason.
pub fn draft(options: &Options<'_>) -> Result<Document> {
    let (clinic, batch) = (&options.clinic.name, options.batch);
    if options.by.trim().is_empty() {
        return Err(Failure::usage(t!("signoff.nobody")).into());
    }
    if let Some(signed) = &batch.signed {
        let (by, at) = (&signed.by, &signed.at);
        return Err(Failure::usage(t!("signoff.already", batch = batch.id, by = by, at = at))
            .hint(format!("trasvase verify {clinic} --signoff={}", batch.id))
            .into());
    }
    if batch.status != "completed" {
        return Err(Failure::usage(t!("signoff.not_completed", batch = batch.id)).into());
    }
    let decisions = Decisions::read(options.project, options.clinic)?;
    let accepted = accepted(options, &decisions)?;
    let open = open(options, &decisions)?;
    Ok(document::of(options, accepted, open))
}

/// The verification's faults, each with the reason for which it was accepted.
fn accepted(options: &Options<'_>, decisions: &Decisions) -> Result<Vec<Accepted>> {
    let (mut accepted, mut without) = (Vec::new(), Vec::new());
    for Decided { id, fault, accepted: is_accepted, reason, who } in desk::decided(options.proof, decisions) {
        match is_accepted {
            true => accepted.push(Accepted {
                id,
                rule: fault.rule,
                subject: fault.subject,
                column: fault.column,
                count: fault.count,
                reason: reason.unwrap_or_default(),
                who: who.unwrap_or_default(),
            }),
            false => without.push((id, fault)),
        }
    }
    if without.is_empty() {
        return Ok(accepted);
    }
    let clinic = &options.clinic.name;
    let told = without.iter().map(|(_, fault)| {
        let about = [Some(fault.subject.as_str()), fault.column.as_deref()];
        format!(
            "{} {} ({})",
            about.into_iter().flatten().collect::<Vec<_>>().join("."),
            fault.rule,
            fault.count
        )
    });
    let failure = Failure::findings(t!("signoff.not_clean", faults = told.collect::<Vec<_>>().join("; ")));
    let failure = failure.hint(format!("trasvase verify {clinic}"));
    let ids = without.iter().map(|(id, _)| format!("--accept {id}")).collect::<Vec<_>>().join(" ");
    Err(failure.hint(format!("trasvase issues {clinic} {ids} --reason …")).into())
}

/// What load, transform and check found and nobody decided about. Nothing critical may be among it.
fn open(options: &Options<'_>, decisions: &Decisions) -> Result<Vec<Open>> {
    let undecided = options.snapshot.manifest().issues.iter().filter(|issue| {
        // It stands in the snapshot: what is said to be mended is not, and what has grown is not what was accepted.
        issue.severity != "info" && !decisions.accept(&issue.id, issue.count)
    });
    let open: Vec<Open> = undecided.map(document::open).collect();
    let critical: Vec<&Open> = open.iter().filter(|one| one.severity == "critical").collect();
    if critical.is_empty() {
        return Ok(open);
    }
    let told = critical.iter().map(|one| format!("{} {} ({})", one.subject, one.rule, one.count));
    let ids = critical.iter().map(|one| format!("--accept {}", one.id)).collect::<Vec<_>>().join(" ");
    let clinic = &options.clinic.name;
    Err(Failure::findings(t!("signoff.critical", findings = told.collect::<Vec<_>>().join("; ")))
        .hint(format!("trasvase issues {clinic} {ids} --reason …"))
        .into())
}

/// Seals a draft, with the report that was signed: in the ledger first, then as a file. A file that is lost is made anew
/// from there.
///
/// # Errors
/// PostgreSQL refuses, or the file cannot be written: the ledger has the document then.
pub async fn seal(
    options: &Options<'_>,
    client: &Client,
    mut document: Document,
    report: Vec<SourceFile>,
) -> Result<(Document, PathBuf)> {
    document.report = report;
    document.seal = document.computed_seal()?;
    let text = document.text()?;
    ledger::write(client, options.batch, &document, &text).await?;
    let path = path(options.project, options.clinic, &options.batch.id);
    write(&path, &text)?;
    let manifest = serde_json::to_string_pretty(options.snapshot.manifest())? + "\n";
    write(&manifest_path(options.project, options.clinic, &options.batch.id), &manifest)?;
    Ok((document, path))
}

/// Writes a document's file again that is lost.
///
/// # Errors
/// The ledger has none, or the file cannot be written.
pub async fn restore(project: &Project, clinic: &Clinic, client: &Client, batch: &Batch) -> Result<PathBuf> {
    let Some(text) = read(client, batch).await? else {
        return Err(Failure::failed(t!("signoff.none", batch = batch.id)).into());
    };
    let path = path(project, clinic, &batch.id);
    write(&path, &text)?;
    Ok(path)
}

fn write(path: &std::path::Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    sheet::replace(path, text, 0o600)
}
