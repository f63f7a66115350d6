//! The order of the stages, which nothing else knows, and the books that are kept about each.

mod beside;
mod books;
mod connection;
mod explain;
mod gate;
mod outcome;
mod own;
mod phases;
mod proof;
mod proving;
mod ready;
mod rehearsal;
mod steps;
mod vectors;
mod wanted;
mod work;

use std::time::Instant;

use anyhow::Result;
use rust_i18n::t;

use super::context::Context;
use super::journal::Journal;
use super::output;
use super::peak::Peak;
use super::progress::{Both, Progress};
use super::status::counts_text;
use super::{hints, notify, retry};
use crate::config::{Clinic, Labels, LoadMode, Project};
use crate::error::again::{self, Retries};
use crate::error::{Failure, Kind, interrupt};
use crate::model::ident::ClinicName;
use crate::model::run::{Event, Observer as _, Part, Stage};
use crate::pg::Target;
use crate::push::Begun;
use crate::staging::{Access, Staging};
pub(super) use beside::{Ended, note, ready};
use books::row_of;
pub(super) use connection::{Connection, droppable};
pub(super) use outcome::{Done, Outcome, Report};
pub(super) use own::OwnState;
use phases::PartDone;
pub(super) use proof::{held, prove};
pub(super) use rehearsal::Rehearsing;
pub(super) use steps::OwnSteps;
use steps::{Step, steps};
pub(super) use wanted::Wanted;

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
        at: Some(wanted.first),
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
                    outcome.at = Some(*stage);
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
