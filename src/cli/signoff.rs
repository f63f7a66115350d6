use std::path::Path;

use anyhow::Result;
use rust_i18n::t;
use serde_json::json;

use super::context::Context;
use super::output::{self, Page};
use super::pipeline::Connection;
use super::progress::Progress;
use super::report::{self, Named, Subject, Written};
use crate::config::{Clinic, Project, shown};
use crate::desk::{Decisions, decided};
use crate::model::ident::ClinicName;
use crate::model::manifest::SourceFile;
use crate::model::proof::Proof;
use crate::model::run::Stage;
use crate::pg::Purpose;
use crate::pg::batches::{Batch, Signed};
use crate::report::Verification;
use crate::signoff::{self, Document};
use crate::snapshot::hash_file;

/// Seal a batch: verify it now, and write down every hash of what it was made of and of what it left in the target
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: ClinicName,
    /// The batch (its ULID or the beginning of it), or `last`
    batch: String,
    /// Who signs
    #[arg(long, value_name = "NAME")]
    by: String,
}

const EXAMPLES: &str = "Examples:
  trasvase signoff acme last --by \"Eva Ruiz\" --target production
  trasvase verify acme --signoff --target production";

/// Rows of each table that the signed report shows.
const SAMPLE: usize = 2;

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(Some(&self.clinic))?;
        let named = Named { batch: Some(self.batch.clone()), ..Named::default() };
        let subject = Subject::find(context, &project, &clinic, &named)?;
        let Some(batch) = &subject.batch else { anyhow::bail!("a named batch is found or an error") };
        let lost = !signoff::path(&project, &clinic, &batch.id).is_file();
        if let (Some(_), true, Some(connection)) = (&batch.signed, lost, &subject.connection) {
            let restored = signoff::restore(&project, &clinic, &connection.session.client, batch);
            let path = connection.block_on(restored)?;
            let path = shown(&project, &path);
            return output::show(context.format(), &json!({"restored": path}), |_| {
                Page::new().line(t!("signoff.restored", path = path))
            });
        }
        // A batch that cannot be signed is refused before its rows are compared.
        let proof = match batch.signed.is_some() || batch.status != "completed" {
            true => Proof::nothing(&batch.snapshot),
            false => subject.prove(context, &project, &clinic, SAMPLE)?,
        };
        let options = signoff::Options {
            project: &project,
            clinic: &clinic,
            snapshot: &subject.snapshot,
            batch,
            target: &subject.target,
            by: &self.by,
            proof: &proof,
        };
        let draft = signoff::draft(&options)?;
        let written = signed_report(&project, &clinic, &subject, batch, &proof, &draft)?;
        let files = [&written.page, &written.json].map(|path| hashed(&project, path));
        let files = files.into_iter().collect::<Result<Vec<SourceFile>>>()?;
        let target = context.global.target.as_deref();
        let progress = Progress::new(context.global.log_level);
        let connection =
            Connection::open(&project, &clinic, target, Purpose::Write, Stage::Verify, &progress)?;
        let sealed = signoff::seal(&options, &connection.session.client, draft, files);
        let (document, path) = connection.block_on(sealed)?;
        output::show(context.format(), &document, |document| page(document, &shown(&project, &path)))
    }
}

/// The report as it is signed: beside the others, under a name that no other report takes.
fn signed_report(
    project: &Project,
    clinic: &Clinic,
    subject: &Subject,
    batch: &Batch,
    proof: &Proof,
    draft: &Document,
) -> Result<Written> {
    let faults = decided(proof, &Decisions::read(project, clinic)?);
    let verification = Verification {
        target: subject.target.clone(),
        at: draft.at.clone(),
        fresh: true,
        faults,
        proof: proof.clone(),
    };
    let signed = Signed { by: draft.by.clone(), at: draft.at.clone(), seal: String::new() };
    let signed = Batch { signed: Some(signed), ..batch.clone() };
    let gathered = report::of_verification(project, clinic, subject, signed, verification)?;
    report::write(project, clinic, &gathered, &format!("{}-signed", batch.id))
}

fn hashed(project: &Project, path: &Path) -> Result<SourceFile> {
    let (sha256, bytes) = hash_file(path)?;
    Ok(SourceFile { name: shown(project, path), bytes, sha256 })
}

fn page(document: &Document, path: &str) -> Page {
    let page = document.accepted.iter().fold(Page::new(), |page, one| {
        let fault = report::fault_text(&one.rule);
        let (subject, count) = (&one.subject, output::count(one.count));
        page.line(t!(
            "signoff.accepted",
            subject = subject,
            fault = fault,
            count = count,
            reason = one.reason
        ))
    });
    let page = match document.open.len() {
        0 => page,
        open => page.line(t!("signoff.open", count = output::count(open as u64))),
    };
    let (batch, by) = (&document.batch, &document.by);
    page.line(t!("signoff.done", batch = batch, by = by, path = path))
        .line(t!("signoff.seal", seal = document.seal))
        .line(format!("  → trasvase verify {} --signoff={batch}", document.clinic))
}
