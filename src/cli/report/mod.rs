//! `trasvase report`: what a migration came to, as one page and the same as JSON.

mod checklist;
mod compared;
mod counts;
mod findings;
mod page;
mod profiled;
mod proof;
mod quality;
mod subject;
mod words;
mod work;

use std::path::PathBuf;

use anyhow::Result;
use maud::Markup;
use rust_i18n::t;
use serde::Serialize;
use serde_json::json;

use super::context::Context;
use super::output::{self, Page};
use crate::config::{Clinic, Project, sheet};
use crate::model::ident::ClinicName;
use crate::pg::batches::Batch;
use crate::profile;
use crate::report::{self, Report, Verification};
use crate::staging::private_folder;
pub(super) use subject::{Named, Subject};
pub(super) use words::fault as fault_text;

/// Write what a migration came to as one page that needs nothing else, and the same as JSON
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// The snapshot (the beginning of its id); the latest where not given
    #[arg(long, value_name = "ID", conflicts_with = "batch")]
    snapshot: Option<String>,
    /// The batch (the beginning of its id), or `last`
    #[arg(long, value_name = "BATCH")]
    batch: Option<String>,
    /// Rows of each table, drawn by chance, that are shown side by side
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    sample: usize,
    /// Show cells as they are; the page is patients' data then
    #[arg(long)]
    show_values: bool,
    /// Also what the sources hold: columns, keys, references, and what paths of documents could become
    #[arg(long)]
    profile: bool,
    /// Only what two snapshots, or those of two batches, do not have in common
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["snapshot", "batch", "show_values", "profile"])]
    compare: Option<Vec<String>>,
}

const EXAMPLES: &str = "Examples:
  trasvase report acme
  trasvase report acme --batch last --lang es
  trasvase report acme --profile
  trasvase report acme --target production --format json
  trasvase report acme --compare 3fa85f64 last";

/// Examples of each kind of finding.
const EXAMPLES_SHOWN: usize = 3;

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(self.clinic.as_ref())?;
        if let Some(names) = &self.compare {
            return compared::run(context, &project, &clinic, names);
        }
        let named = Named { snapshot: self.snapshot.clone(), batch: self.batch.clone() };
        let subject = Subject::find(context, &project, &clinic, &named)?;
        let report = self.gather(context, (&project, &clinic), &subject)?;
        let name = match &report.batch {
            Some(batch) => batch.id.clone(),
            None => report.snapshot.chars().take(16).collect(),
        };
        let written = write(&project, &clinic, &report, &name)?;
        let answer = json!({"page": written.page, "json": written.json, "answer": report.answer});
        output::show(context.format(), &answer, |_| {
            let page = Page::new().line(words::answer(&report));
            let page = report
                .not_verified
                .iter()
                .fold(page, |page, why| page.line(t!("report.not_verified", why = why)));
            page.line(t!("report.written", path = written.page.display(), json = written.json.display()))
        })
    }
}

impl Arguments {
    /// Everything that there is to say of a subject. The target is asked now, if it can be.
    fn gather(
        &self,
        context: &Context,
        (project, clinic): (&Project, &Clinic),
        subject: &Subject,
    ) -> Result<Report> {
        let (verification, not_verified) = subject.verification(context, project, clinic, self.sample)?;
        let (profile, references) = match &subject.staging {
            Some(staging) if self.profile => {
                let (only, show_values) = (Vec::new(), self.show_values);
                let profiled =
                    profile::run(&profile::Options { project, clinic, staging, only, show_values })?;
                (profiled.sources, profiled.references)
            }
            _ => (Vec::new(), Vec::new()),
        };
        report::run(report::Options {
            verification,
            not_verified,
            show_values: self.show_values,
            profile,
            references,
            ..options(project, clinic, subject)
        })
    }
}

/// The same with a verification that was made, and as its batch will be.
pub(super) fn of_verification(
    project: &Project,
    clinic: &Clinic,
    subject: &Subject,
    batch: Batch,
    verification: Verification,
) -> Result<Report> {
    let options = options(project, clinic, subject);
    report::run(report::Options { batch: Some(batch), verification: Some(verification), ..options })
}

fn options<'a>(project: &'a Project, clinic: &'a Clinic, subject: &'a Subject) -> report::Options<'a> {
    report::Options {
        project,
        clinic,
        snapshot: &subject.snapshot,
        staging: subject.staging.as_ref(),
        target: &subject.target,
        batch: subject.batch.clone(),
        verification: None,
        not_verified: None,
        show_values: false,
        examples: EXAMPLES_SHOWN,
        profile: Vec::new(),
        references: Vec::new(),
    }
}

/// Where a report was written.
pub(super) struct Written {
    pub(super) page: PathBuf,
    pub(super) json: PathBuf,
}

/// Writes a report's page and JSON.
pub(super) fn write(project: &Project, clinic: &Clinic, report: &Report, name: &str) -> Result<Written> {
    write_pair(project, clinic, name, &page::page(report), report)
}

/// Writes a page and what it is made of as JSON into `staging/<clinic>/reports/`, their owner's alone.
fn write_pair<T: Serialize>(
    project: &Project,
    clinic: &Clinic,
    name: &str,
    page: &Markup,
    json: &T,
) -> Result<Written> {
    let folder = project.staging_dir(&clinic.name).join("reports");
    private_folder(&project.staging_dir(&clinic.name))?;
    private_folder(&folder)?;
    let written =
        Written { page: folder.join(format!("{name}.html")), json: folder.join(format!("{name}.json")) };
    sheet::replace(&written.page, &page.0, 0o600)?;
    sheet::replace(&written.json, &(serde_json::to_string_pretty(json)? + "\n"), 0o600)?;
    Ok(written)
}
