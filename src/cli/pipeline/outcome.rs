//! What came of a run, as it is printed.

use rust_i18n::t;
use serde::Serialize;
use serde_json::Value;

use super::beside::Beside;
use super::own::{self, OwnDone};
use super::phases::{self, Phase};
use crate::cli::output::{self, Page, Table};
use crate::cli::progress::Took;
use crate::cli::status::counts_text;
use crate::cli::{check, export, hints, load, push, rehearse, rollback, transform, verify};
use crate::config::Moment;
use crate::model::ident::ClinicName;
use crate::model::run::Stage;

/// What a stage answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(in crate::cli) enum Report {
    Load(crate::load::Report),
    Transform(crate::transform::Report),
    Check(crate::check::Report),
    Export(crate::export::Report),
    Push(crate::push::Report),
    Verify(crate::verify::Report),
}

/// A stage that was done.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Done {
    pub(in crate::cli) stage: Stage,
    pub(in crate::cli) milliseconds: u64,
    /// Rows that it was about.
    pub(in crate::cli) rows: u64,
    /// The most memory that the process held; none where the system does not say.
    pub(in crate::cli) peak_bytes: Option<u64>,
    /// Its files, models or tables.
    #[serde(skip)]
    pub(in crate::cli) took: Vec<Took>,
    /// Names and numbers, for `status`.
    pub(in crate::cli) counts: Value,
    pub(in crate::cli) report: Report,
}

/// What a run came to.
#[derive(Serialize)]
pub(in crate::cli) struct Outcome {
    pub(in crate::cli) clinic: ClinicName,
    /// Empty where it could not begin.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(in crate::cli) run: String,
    pub(in crate::cli) stages: Vec<Done>,
    /// The same in the words of the clinic's system, if it has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) phases: Vec<Phase>,
    /// The clinic's own steps.
    #[serde(rename = "commands", skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cli) own: Vec<OwnDone>,
    /// Stages that came after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cli) beside: Vec<Beside>,
    /// Stages that would come after a dry run's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) beside_planned: Vec<Stage>,
    /// What was taken back since its verification failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rolled_back: Option<crate::rollback::Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) rehearsal: Option<rehearse::Answer>,
    /// The stage that it came to.
    #[serde(skip)]
    pub(in crate::cli) at: Option<Stage>,
    /// Why it stopped, if it did.
    #[serde(skip)]
    pub(in crate::cli) failure: Option<anyhow::Error>,
    /// As it was named, for commands that are proposed.
    #[serde(skip)]
    pub(super) target: Option<String>,
}

impl Outcome {
    /// Of a run that could not begin.
    pub(in crate::cli) fn failed(clinic: &ClinicName, error: anyhow::Error) -> Self {
        Self { failure: Some(error), ..Self::none(clinic) }
    }

    pub(super) fn none(clinic: &ClinicName) -> Self {
        Self {
            clinic: clinic.clone(),
            run: String::new(),
            stages: Vec::new(),
            phases: Vec::new(),
            own: Vec::new(),
            beside: Vec::new(),
            beside_planned: Vec::new(),
            rolled_back: None,
            rehearsal: None,
            at: None,
            failure: None,
            target: None,
        }
    }

    /// The batch that it wrote.
    pub(in crate::cli) fn batch(&self) -> Option<&str> {
        self.pushed().and_then(|report| report.batch.as_deref())
    }

    /// What people changed in PostgreSQL and what the source has no more, of the rows that it pushed.
    pub(in crate::cli) fn both_sides(&self, unread: &'static str) -> Page {
        self.pushed().map_or_else(Page::new, |report| push::both_sides(&report.plan, unread))
    }

    /// How many rows it deleted.
    pub(in crate::cli) fn deleted(&self) -> u64 {
        self.pushed().map_or(0, |report| report.written.values().map(|written| written.deleted).sum())
    }

    fn pushed(&self) -> Option<&crate::push::Report> {
        self.stages.iter().find_map(|done| match &done.report {
            Report::Push(report) => Some(report),
            _ => None,
        })
    }

    /// The snapshot that it made or looked at.
    pub(in crate::cli) fn snapshot(&self) -> Option<&str> {
        self.stages.iter().find_map(|done| match &done.report {
            Report::Export(report) => Some(report.snapshot.as_str()),
            Report::Verify(report) => Some(report.snapshot.as_str()),
            _ => None,
        })
    }

    /// A row a stage and an own step, in the order in which they are taken.
    fn rows(&self) -> Vec<[String; 3]> {
        let stages = self.stages.iter().map(|done| {
            let took = output::duration(done.milliseconds);
            ((done.stage, 1), [done.stage.to_string(), took, counts_text(&done.counts)])
        });
        let own = self.own.iter().map(|one| {
            let (stage, moment) = one.place;
            ((stage, if moment == Moment::Before { 0 } else { 2 }), one.row())
        });
        let beside = self.beside.iter().map(|one| {
            let took = output::duration(one.milliseconds);
            ((one.stage, 1), [one.stage.to_string(), took, counts_text(&one.counts())])
        });
        let mut rows: Vec<_> = stages.chain(own).chain(beside).collect();
        rows.sort_by_key(|(place, _)| *place);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// What would come after a dry run's stages.
    fn comes_after(&self) -> Page {
        self.beside_planned.iter().fold(Page::new(), |page, stage| {
            let next = format!("trasvase {stage} {} --dry-run", self.clinic);
            let text = t!("cli.run.comes_after", stage = stage, next = next);
            page.line(hints::complete(&text, Some(&self.clinic), self.target.as_deref()))
        })
    }

    pub(in crate::cli) fn page(&self, many: bool) -> Page {
        let target = self.target.as_deref();
        if !many {
            let stages = self.stages.iter();
            let page =
                stages.fold(Page::new(), |page, done| page.add(done.report.page(&self.clinic, target)));
            return page.add(self.comes_after());
        }
        let mut table =
            Table::new([t!("cli.status.stage"), t!("cli.log.took"), t!("cli.status.counts")]).right(&[1]);
        for row in self.rows() {
            table.row(row);
        }
        let page = Page::new().line(format!("{} {}", t!("cli.run.clinic"), self.clinic));
        let page = if self.phases.is_empty() { page } else { page.table(phases::table(&self.phases)) };
        let page = if self.phases.is_empty() || !self.own.is_empty() { page.table(table) } else { page };
        let page = page.add(own::left_out(&self.own));
        // Of many stages, people read what needs a look, and the proof.
        let page = self.stages.iter().fold(page, |page, done| match &done.report {
            Report::Load(report) => page.add(load::faults(report)),
            Report::Transform(report) => {
                page.add(transform::fixes(report)).add(transform::linked(report, &self.clinic))
            }
            Report::Check(report) => page.add(check::faults(report, &self.clinic)),
            Report::Push(report) if report.batch.is_none() && !report.plan.is_nothing() => {
                page.add(push::page(report, &self.clinic, target))
            }
            Report::Push(report) => page.add(push::standing(&report.plan, &self.clinic, target)),
            Report::Verify(report) => page.line("").add(verify::page(report)),
            _ => page,
        });
        let beside = self.beside.iter();
        let page = beside.fold(page, |page, one| page.line("").add(one.page(&self.clinic, target)));
        let page = page.add(self.comes_after());
        let page = match &self.rolled_back {
            Some(report) => page.line("").add(rollback::page(report, &self.clinic, target, None)),
            None => page,
        };
        match &self.rehearsal {
            Some(answer) => page.add(rehearse::page(answer)),
            None => page,
        }
    }
}

impl Report {
    fn page(&self, clinic: &ClinicName, target: Option<&str>) -> Page {
        match self {
            Report::Load(report) => load::page(report),
            Report::Transform(report) => transform::page(report, clinic),
            Report::Check(report) => check::page(report, clinic),
            Report::Export(report) => export::page(report),
            Report::Push(report) => push::page(report, clinic, target),
            Report::Verify(report) => verify::page(report),
        }
    }
}
