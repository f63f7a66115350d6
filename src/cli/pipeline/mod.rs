//! The order of the stages, which nothing else knows, and the books that are kept about each.

mod beside;
mod books;
mod connection;
mod explain;
mod gate;
mod own;
mod phases;
mod proof;
mod ready;
mod rehearsal;
mod steps;
mod vectors;
mod work;

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use serde_json::Value;

use super::context::Context;
use super::journal::Journal;
use super::output::{self, Page, Table};
use super::peak::Peak;
use super::progress::{Both, Progress, Took};
use super::status::counts_text;
use super::{check, export, hints, load, notify, push, rehearse, retry, rollback, transform, verify};
use crate::config::{Clinic, Labels, LoadMode, Moment, Project};
use crate::error::again::{self, Retries};
use crate::error::{Failure, Kind, interrupt};
use crate::model::ident::{ClinicName, TableName};
use crate::model::run::{Event, Observer as _, Part, Stage};
use crate::pg::Target;
use crate::push::Begun;
use crate::staging::{Access, Staging};
use beside::Beside;
pub(super) use beside::{Ended, note};
use books::row_of;
pub(super) use connection::{Connection, droppable};
pub(super) use own::{OwnDone, OwnState};
use phases::{PartDone, Phase};
pub(super) use proof::{held, prove};
pub(super) use rehearsal::Rehearsing;
pub(super) use steps::OwnSteps;
use steps::{Step, steps};

/// Which stages to run, and how.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// As it was typed, for the log.
    pub(super) command: String,
    pub(super) first: Stage,
    pub(super) last: Stage,
    /// Where a run ends of which this is the dry one.
    pub(super) until: Stage,
    /// Of these only some.
    pub(super) only_stages: Option<BTreeSet<Stage>>,
    /// Of the stages that come after a run, those that are taken where clinic.toml names them.
    pub(super) beside: BTreeSet<Stage>,
    /// Which of the clinic's own steps.
    pub(super) own_steps: OwnSteps,
    /// Whether `[notify]` is told of the end.
    pub(super) notify: bool,
    /// Sources to load; empty for all.
    pub(super) sources: Vec<String>,
    /// Read sources again that did not change.
    pub(super) force: bool,
    /// Read only new files of sources with a cursor.
    pub(super) incremental: bool,
    /// No service is asked for vectors.
    pub(super) no_ai: bool,
    /// Models to build; empty for all.
    pub(super) select: Vec<String>,
    /// Only this table, with its parents.
    pub(super) only: Option<TableName>,
    /// The snapshot to push or verify; the latest where not given.
    pub(super) snapshot: Option<String>,
    /// The plan that a person looked at.
    pub(super) plan: Option<String>,
    /// The clinic's name, given for a push to production in place of typing it.
    pub(super) confirm: Option<String>,
    pub(super) dry_run: bool,
    /// Every table in mode `replace`, whatever clinic.toml says.
    pub(super) full_refresh: bool,
    /// Push although records wait for a decision.
    pub(super) allow_pending: bool,
    /// What a person has to say about the batch.
    pub(super) notes: String,
    /// Why a snapshot goes to production that was not rehearsed.
    pub(super) without_rehearsal: Option<String>,
    /// Where push and verify only rehearse.
    pub(super) rehearsing: Option<Rehearsing>,
    pub(super) show_values: bool,
    /// Differing rows that verify names per table.
    pub(super) most: usize,
    /// What else verify is asked for.
    pub(super) verify: verify::Wanted,
}

impl Wanted {
    /// One stage, whole.
    pub(super) fn stage(stage: Stage) -> Self {
        Self {
            command: stage.to_string(),
            first: stage,
            last: stage,
            until: stage,
            only_stages: None,
            beside: BTreeSet::new(),
            own_steps: OwnSteps::None,
            notify: false,
            sources: Vec::new(),
            force: false,
            incremental: false,
            no_ai: false,
            select: Vec::new(),
            only: None,
            snapshot: None,
            plan: None,
            confirm: None,
            dry_run: false,
            full_refresh: false,
            allow_pending: false,
            notes: String::new(),
            without_rehearsal: None,
            rehearsing: None,
            show_values: false,
            most: 20,
            verify: verify::Wanted::default(),
        }
    }

    /// Whether an own step is what it begins with.
    fn begins_own(&self) -> bool {
        matches!(self.own_steps, OwnSteps::Run { from: Some(_), .. })
    }

    /// The same, beginning with the first stage of these steps.
    fn beginning(&self, steps: &[Step<'_>]) -> Self {
        let stage = |step: &Step<'_>| match step {
            Step::Stage(stage) => Some(*stage),
            Step::Own(_) => None,
        };
        let own = |step: &Step<'_>| match step {
            Step::Stage(stage) => *stage,
            Step::Own(own) => own.stage,
        };
        let first = steps.iter().find_map(stage).or(steps.first().map(own));
        Self { first: first.unwrap_or(self.first), ..self.clone() }
    }
}

/// What a stage answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Report {
    Load(crate::load::Report),
    Transform(crate::transform::Report),
    Check(crate::check::Report),
    Export(crate::export::Report),
    Push(crate::push::Report),
    Verify(crate::verify::Report),
}

/// A stage that was done.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    pub(super) stage: Stage,
    pub(super) milliseconds: u64,
    /// Rows that it was about.
    pub(super) rows: u64,
    /// The most memory that the process held; none where the system does not say.
    pub(super) peak_bytes: Option<u64>,
    /// Its files, models or tables.
    #[serde(skip)]
    pub(super) took: Vec<Took>,
    /// Names and numbers, for `status`.
    pub(super) counts: Value,
    pub(super) report: Report,
}

/// What a run came to.
#[derive(Serialize)]
pub(super) struct Outcome {
    pub(super) clinic: ClinicName,
    /// Empty where it could not begin.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) run: String,
    pub(super) stages: Vec<Done>,
    /// The same in the words of the clinic's system, if it has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    phases: Vec<Phase>,
    /// The clinic's own steps.
    #[serde(rename = "commands", skip_serializing_if = "Vec::is_empty")]
    pub(super) own: Vec<OwnDone>,
    /// Stages that came after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beside: Vec<Beside>,
    /// Stages that would come after a dry run's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beside_planned: Vec<Stage>,
    /// What was taken back since its verification failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    rolled_back: Option<crate::rollback::Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rehearsal: Option<rehearse::Answer>,
    /// Why it stopped, if it did.
    #[serde(skip)]
    pub(super) failure: Option<anyhow::Error>,
    /// As it was named, for commands that are proposed.
    #[serde(skip)]
    target: Option<String>,
}

/// Runs the stages and prints what they answered: each in full, or for several one line each and the verification.
pub(super) fn run_and_show(context: &Context, clinic: Option<&ClinicName>, wanted: &Wanted) -> Result<()> {
    let (project, clinic) = context.clinic(clinic)?;
    beside::begins_with_named(&clinic, wanted)?;
    let outcome = run(context, &project, &clinic, wanted)?;
    let many = wanted.first != wanted.last || !outcome.own.is_empty();
    output::show(context.format(), &outcome, |outcome| outcome.page(many))?;
    outcome.failure.map_or(Ok(()), Err)
}

/// Runs the stages of one clinic in order, until one fails.
pub(super) fn run(context: &Context, project: &Project, clinic: &Clinic, wanted: &Wanted) -> Result<Outcome> {
    let refreshed = wanted.full_refresh.then(|| clinic.with_mode(LoadMode::Replace));
    let clinic = refreshed.as_ref().unwrap_or(clinic);
    let (started, labels) = (Instant::now(), Labels::read(project, clinic)?);
    let steps = steps(clinic, wanted)?;
    let wanted = &wanted.beginning(&steps);
    let journal = Journal::begin(project, &clinic.name, &wanted.command)?;
    let mut pipeline = Pipeline {
        context,
        project,
        clinic,
        wanted,
        progress: Progress::with(context.global.log_level, labels.clone()),
        labels,
        parts: Vec::new(),
        journal,
        staging: None,
        connection: None,
        kept: None,
        stop: None,
        unrehearsed: None,
        stage_set: rehearsal::StageSet::default(),
        agreed: None,
        agreed_own: false,
        own_notes: Vec::new(),
        begun: None,
    };
    let mut outcome = Outcome {
        run: pipeline.journal.run(),
        target: context.global.target.clone(),
        ..Outcome::none(&clinic.name)
    };
    outcome.failure = pipeline.take(&steps, &mut outcome, started).err();
    outcome.failure = outcome.failure.or(pipeline.stop.take().map(Into::into));
    outcome.phases = pipeline.phases(&outcome.stages);
    pipeline.take_back(&mut outcome);
    pipeline.note_rehearsal(&mut outcome);
    let target = context.global.target.as_deref();
    outcome.failure = outcome.failure.map(|error| hints::completed(&error, Some(&clinic.name), target));
    let failure = outcome.failure.as_ref().map(Failure::from_anyhow);
    pipeline.notify(&outcome);
    pipeline.journal.finish(outcome.failure.as_ref().map_or(0, exit_code), failure.as_ref());
    Ok(outcome)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let kind = if interrupt::requested() { Kind::Interrupted } else { Failure::from_anyhow(error).kind };
    kind.exit_code()
}

/// One clinic on its way.
struct Pipeline<'a> {
    context: &'a Context,
    project: &'a Project,
    clinic: &'a Clinic,
    wanted: &'a Wanted,
    progress: Progress,
    /// What the clinic's system calls the stages and their parts.
    labels: Labels,
    /// What was done beside the stages, and within them.
    parts: Vec<PartDone>,
    journal: Journal,
    /// Opened by the first stage that needs it. Push and verify do without where there is none.
    staging: Option<Staging>,
    connection: Option<Connection>,
    /// A target whose session was given up: its private server goes on as long as somebody has it.
    kept: Option<Target>,
    /// Why nothing must be pushed, and the exit code in the end: too many rejects, an unequal target.
    stop: Option<Failure>,
    /// Why it goes to production unrehearsed.
    unrehearsed: Option<String>,
    /// What is set up for a rehearsal.
    stage_set: rehearsal::StageSet,
    /// The plan of a push that a person agreed to, or that nobody had to be asked about: nobody is asked twice.
    agreed: Option<Option<String>>,
    /// Somebody agreed to own steps in production.
    agreed_own: bool,
    /// What the batch's notes are to say of own steps in the target.
    own_notes: Vec<String>,
    /// A push whose session was lost.
    begun: Option<Begun>,
}

impl Pipeline<'_> {
    /// All steps, one after the other, until one fails.
    fn take(&mut self, steps: &[Step<'_>], outcome: &mut Outcome, started: Instant) -> Result<()> {
        self.prepare(started)?;
        self.own_steps_there(steps)?;
        if self.wanted.own_steps == OwnSteps::None {
            self.tell_not_taken(steps);
        }
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Own(own) => self.own_step(own, at == 0, outcome)?,
                Step::Stage(stage) => {
                    let done = self.step(*stage, alone(*stage, steps))?;
                    outcome.stages.push(done);
                }
            }
        }
        self.beside(outcome)
    }

    /// Tells `[notify]` how it ended. What goes wrong with that is a warning.
    fn notify(&self, outcome: &Outcome) {
        let Some(settings) =
            self.clinic.notify.as_ref().filter(|_| self.wanted.notify && !self.wanted.dry_run)
        else {
            return;
        };
        let stage = outcome.stages.last().map_or(self.wanted.first, |done| done.stage);
        let target = match &self.connection {
            Some(connection) => connection.target.name.clone(),
            None => Target::chosen(self.project, self.context.global.target.as_deref()).unwrap_or_default(),
        };
        let language = self.context.global.lang.map(|language| language.code());
        let ended = notify::Ended {
            clinic: self.clinic,
            command: &self.wanted.command,
            target: &target,
            outcome,
            milliseconds: self.journal.milliseconds(),
            language,
        };
        let options = crate::notify::Options { project: self.project, settings, stage };
        let observer = Both(&self.progress, &self.journal);
        if let Err(error) = notify::tell(&ended, &options, &observer) {
            let text = t!("notify.not_sent", error = Failure::from_anyhow(&error).message);
            observer.event(&Event::Warning { stage, text: &text });
        }
    }

    /// One stage with its books: begun, then done or failed, in the staging file and in the log.
    fn step(&mut self, stage: Stage, alone: bool) -> Result<Done> {
        interrupt::check()?;
        if stage == Stage::Push
            && !self.wanted.dry_run
            && let Some(stop) = self.stop.take()
        {
            return Err(stop.into());
        }
        self.ready(stage, alone)?;
        self.open_staging(stage)?;
        let before = self.staging.as_ref().map(|staging| row_of(staging, stage)).transpose()?.flatten();
        let (started, peak) = (Instant::now(), Peak::begin());
        self.journal.stage_started(stage);
        let done = self.begin(stage).and_then(|()| self.patient_work(stage)).and_then(|report| {
            let mut counts = self.counts(&report);
            if let Some(only) = self.wanted.only.as_ref().filter(|_| stage > Stage::Load) {
                counts["only"] = only.to_string().into();
            }
            self.finish(stage, &report, &counts)?;
            Ok((report, counts))
        });
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match done {
            Ok((report, counts)) => {
                let took = self.took(stage, milliseconds, &peak, &report, &counts)?;
                self.journal.stage_finished(stage, &took, &counts);
                self.progress.done(stage.into(), &counts_text(&counts), self.alone(stage, milliseconds));
                self.tell_parts(stage, |part| part != Part::Prepare);
                let (rows, peak_bytes) = (took.rows, took.peak_bytes);
                let took = self.progress.taken();
                Ok(Done { stage, milliseconds, rows, peak_bytes, took, counts, report })
            }
            Err(error) => {
                self.fail(stage, before.as_ref(), &error);
                self.journal.stage_failed(stage, milliseconds, &Failure::from_anyhow(&error));
                Err(error)
            }
        }
    }

    /// The stage's work; again with a new session, after a wait, where it failed for what can pass. What it wrote until then
    /// is gone or, of a push, is looked for first.
    fn patient_work(&mut self, stage: Stage) -> Result<Report> {
        // A rehearsal's session is its database or its transaction: with another one it would be the target that is written.
        let most = if self.wanted.rehearsing.is_some() { 0 } else { self.context.global.max_retries };
        let mut retries = Retries::new(most);
        loop {
            let error = match self.work(stage) {
                Ok(report) => return Ok(report),
                Err(error) => error,
            };
            let Some(retry) = retries.after(&error) else { return Err(error) };
            self.connection = None;
            Both(&self.progress, &self.journal).event(&Event::Retried {
                stage,
                number: retry.number,
                most: retry.most,
                cause: &retry.cause,
                milliseconds: retry::milliseconds(&retry),
                text: &retry::sentence(&retry, &error),
            });
            if let Some(begun) = error.downcast_ref::<Begun>() {
                self.begun = Some(begun.clone());
            }
            again::pause(retry.wait)?;
        }
    }

    /// Opens the staging file for writing. Push and verify work from the snapshot, on a machine without one too.
    fn open_staging(&mut self, stage: Stage) -> Result<()> {
        let path = self.project.duckdb_path(&self.clinic.name);
        if self.staging.is_some() || (stage >= Stage::Push && !path.is_file()) {
            return Ok(());
        }
        if stage > Stage::Load && !path.is_file() {
            // Says what to type; opening it for writing would make an empty one.
            Staging::open(self.project, self.clinic, Access::ReadOnly, &self.context.limits())?;
        }
        let staging = Staging::open(self.project, self.clinic, Access::Write, &self.context.limits())?;
        self.staging = Some(staging);
        Ok(())
    }
}

/// Whether the stage before it is no part of the run.
fn alone(stage: Stage, steps: &[Step<'_>]) -> bool {
    let before = Stage::ALL.into_iter().rfind(|before| *before < stage);
    before.is_none_or(|before| !steps.contains(&Step::Stage(before)))
}

impl Outcome {
    /// Of a run that could not begin.
    pub(super) fn failed(clinic: &ClinicName, error: anyhow::Error) -> Self {
        Self { failure: Some(error), ..Self::none(clinic) }
    }

    fn none(clinic: &ClinicName) -> Self {
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
            failure: None,
            target: None,
        }
    }

    /// The batch that it wrote.
    pub(super) fn batch(&self) -> Option<&str> {
        self.pushed().and_then(|report| report.batch.as_deref())
    }

    /// What people changed in PostgreSQL and what the source has no more, of the rows that it pushed.
    pub(super) fn both_sides(&self) -> Page {
        self.pushed().map_or_else(Page::new, |report| push::both_sides(&report.plan))
    }

    /// How many rows it deleted.
    pub(super) fn deleted(&self) -> u64 {
        self.pushed().map_or(0, |report| report.written.values().map(|written| written.deleted).sum())
    }

    fn pushed(&self) -> Option<&crate::push::Report> {
        self.stages.iter().find_map(|done| match &done.report {
            Report::Push(report) => Some(report),
            _ => None,
        })
    }

    /// The snapshot that it made or looked at.
    pub(super) fn snapshot(&self) -> Option<&str> {
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

    pub(super) fn page(&self, many: bool) -> Page {
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
            Some(report) => page.line("").add(rollback::page(report, &self.clinic, target)),
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
