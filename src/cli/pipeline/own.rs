//! The clinic's own steps on their way: withheld or run, with their books.

use std::time::Instant;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::steps::Step;
use super::{Outcome, Pipeline};
use crate::cli::output::{self, Page};
use crate::cli::progress::Both;
use crate::cli::status::State;
use crate::commands::{self, Surroundings};
use crate::config::{Moment, OwnStep, Work, shown};
use crate::error::{Failure, Kind, interrupt};
use crate::model::run::{Event, Observer as _, Stage};
use crate::pg::{Purpose, Target};
use crate::staging::Ended;

/// What became of an own step.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct OwnDone {
    #[serde(rename = "command")]
    pub(in crate::cli) name: String,
    #[serde(skip)]
    pub(super) place: (Stage, Moment),
    /// `before push`.
    when: String,
    /// `sql`, `target_sql` or `program`.
    kind: &'static str,
    pub(in crate::cli) state: OwnState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) milliseconds: Option<u64>,
    /// Where a program's output is.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum OwnState {
    Done,
    Failed,
    /// A dry run only names it.
    Planned,
    /// A rehearsal only prepares what is pushed.
    LeftOut,
}

impl OwnDone {
    /// What the table of a run says of it: name, time, what it was.
    pub(super) fn row(&self) -> [String; 3] {
        let text = match self.state {
            OwnState::Done => t!("commands.row_done", when = self.when),
            OwnState::Failed => t!("commands.row_failed", when = self.when),
            OwnState::Planned => t!("commands.row_planned", when = self.when),
            OwnState::LeftOut => t!("commands.row_left_out", when = self.when),
        };
        let took = self.milliseconds.map_or_else(|| "–".to_owned(), output::duration);
        [self.name.clone(), took, text.into_owned()]
    }
}

/// Steps that one stage alone does not take, for whoever asked for it.
pub(super) fn not_taken(steps: &[Step<'_>], all: &[OwnStep]) -> Vec<String> {
    let around = |own: &&OwnStep| own.autopilot && steps.contains(&Step::Stage(own.stage));
    all.iter().filter(around).map(|own| format!("{} ({})", own.name, own.when())).collect()
}

impl Pipeline<'_> {
    /// One own step with its books.
    pub(super) fn own_step(&mut self, own: &OwnStep, first: bool, outcome: &mut Outcome) -> Result<()> {
        interrupt::check()?;
        if let Some(state) = self.withheld(own) {
            outcome.own.push(self.told(own, state, None));
            return Ok(());
        }
        // What must not be pushed, or was pushed and is not equal, ends the run here.
        let gate =
            matches!((own.stage, own.moment), (Stage::Push, Moment::Before) | (Stage::Verify, Moment::After));
        if gate && let Some(stop) = self.stop.take() {
            return Err(stop.into());
        }
        if first {
            self.preceded_own(own)?;
        }
        let begun = Instant::now();
        let text = format!("{} ({})", own.name, own.when());
        self.observe(&Event::Note { stage: own.stage, text: &format!("{text} …") });
        let done = self.own_work(own);
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let state = if done.is_ok() { OwnState::Done } else { OwnState::Failed };
        outcome.own.push(self.told(own, state, Some(milliseconds)));
        self.journal.own_step_ended(own, milliseconds, done.is_ok());
        match done {
            Ok(()) => {
                self.progress.done(own.stage.into(), &text, milliseconds);
                Ok(())
            }
            Err(error) => Err(self.own_failure(own, &error, outcome).into()),
        }
    }

    fn observe(&self, event: &Event<'_>) {
        Both(&self.progress, &self.journal).event(event);
    }

    fn told(&self, own: &OwnStep, state: OwnState, milliseconds: Option<u64>) -> OwnDone {
        let program = matches!(own.work, Work::Program(_)) && milliseconds.is_some();
        OwnDone {
            name: own.name.clone(),
            place: (own.stage, own.moment),
            when: own.when(),
            kind: own.kind(),
            state,
            milliseconds,
            log: program.then(|| shown(self.project, &self.own_log(own))),
        }
    }

    /// Why a step is only named: a dry run does nothing, and a rehearsal nothing that could be outside of its copy.
    fn withheld(&self, own: &OwnStep) -> Option<OwnState> {
        let outside = own.is_on_target() || own.stage >= Stage::Push;
        match self.wanted.rehearsing {
            _ if self.wanted.dry_run => Some(OwnState::Planned),
            Some(_) if outside => Some(OwnState::LeftOut),
            _ => None,
        }
    }

    fn own_work(&mut self, own: &OwnStep) -> Result<()> {
        let sql = own.sql(self.project, &self.clinic.name)?;
        let fingerprint = own.fingerprint(&sql);
        let run = self.journal.run();
        let place = format!("{:?} {}", own.moment, own.stage).to_lowercase();
        if own.is_on_target() {
            self.allowed_on_target(own)?;
        }
        self.open_staging(own.stage)?;
        if let Some(staging) = &self.staging {
            staging.begin_own_step(&own.name, &place, &fingerprint, &run)?;
        }
        let begun = Instant::now();
        let done = match &own.work {
            Work::Program(words) => self.own_program(own, words),
            Work::Sql { .. } if own.is_on_target() => self.own_target_sql(own, &sql, &fingerprint),
            Work::Sql { .. } => commands::in_staging(self.open()?, &sql),
        };
        let ended = if done.is_ok() { Ended::Done } else { Ended::Failed };
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let noted = self.open_staging(own.stage).and_then(|()| match &self.staging {
            Some(staging) => staging.finish_own_step(&own.name, ended, milliseconds),
            None => Ok(()),
        });
        // Of two errors the step's own is the one worth telling.
        done.and(noted)
    }

    /// The staging file is closed meanwhile, so that the program may open it.
    fn own_program(&mut self, own: &OwnStep, words: &[String]) -> Result<()> {
        let variables = self.own_variables(own)?;
        self.staging = None;
        let log = self.own_log(own);
        let log_shown = shown(self.project, &log);
        let folder = self.project.clinic_dir(&self.clinic.name);
        commands::program(words, &Surroundings { folder, variables, log, log_shown })
    }

    fn own_variables(&self, own: &OwnStep) -> Result<Vec<(&'static str, String)>> {
        let staging = self.project.duckdb_path(&self.clinic.name);
        let mut variables = vec![
            ("TRASVASE_CLINIC", self.clinic.name.to_string()),
            ("TRASVASE_PROJECT", self.project.root().display().to_string()),
            ("TRASVASE_COMMAND", own.name.clone()),
            ("TRASVASE_STAGE", own.stage.to_string()),
            ("TRASVASE_MOMENT", format!("{:?}", own.moment).to_lowercase()),
            ("TRASVASE_RUN", self.journal.run()),
            ("TRASVASE_STAGING", staging.display().to_string()),
            ("TRASVASE_TARGET", Target::chosen(self.project, self.context.global.target.as_deref())?),
        ];
        // Before it is exported, the latest one is of an earlier run.
        let exported = (own.stage, own.moment) >= (Stage::Export, Moment::After);
        if let Some(snapshot) = self.snapshot().ok().filter(|_| exported) {
            variables.push(("TRASVASE_SNAPSHOT", snapshot.folder().display().to_string()));
        }
        Ok(variables)
    }

    fn own_log(&self, own: &OwnStep) -> std::path::PathBuf {
        self.project.logs_dir(&self.clinic.name).join(format!("{}.{}.log", self.journal.run(), own.name))
    }

    /// A production is written by nobody who did not name the clinic.
    fn allowed_on_target(&mut self, own: &OwnStep) -> Result<()> {
        self.connect(own.stage, Purpose::Write)?;
        let target = &self.connected()?.target;
        if !target.production || self.agreed_own {
            return Ok(());
        }
        let question = t!("commands.question", name = own.name, when = own.when(), target = target.name);
        let given = self.wanted.confirm.as_deref();
        output::confirm_named(&question, self.clinic.name.as_str(), given)?;
        self.agreed_own = true;
        Ok(())
    }

    /// In the run's session, which is given up afterwards: what it set, and the catalog that is known of, are the step's.
    fn own_target_sql(&mut self, own: &OwnStep, sql: &str, fingerprint: &str) -> Result<()> {
        let note = commands::note(own, fingerprint);
        let pushed = (own.stage, own.moment) > (Stage::Push, Moment::Before);
        let connection = self.connected()?;
        let name = &self.clinic.name;
        let client = &connection.session.client;
        let done =
            connection.block_on(commands::in_target(client, name, sql, pushed.then_some(note.as_str())));
        // The private server must not be stopped and started for that.
        self.kept = self.connection.take().map(|connection| connection.target.clone());
        done?;
        if !pushed {
            self.own_notes.push(note);
        }
        Ok(())
    }

    /// What a failed step is told as: what it was, why it failed, what was done before it, and how to go on.
    fn own_failure(&self, own: &OwnStep, error: &anyhow::Error, outcome: &Outcome) -> Failure {
        let inner = Failure::from_anyhow(error);
        if inner.kind == Kind::Interrupted {
            return inner;
        }
        let beside = outcome.beside.iter().map(|done| done.stage);
        let stages =
            outcome.stages.iter().map(|done| done.stage).chain(beside).map(|stage| stage.to_string());
        let own_done =
            outcome.own.iter().filter(|one| one.state == OwnState::Done).map(|one| one.name.clone());
        let done = stages.chain(own_done).collect::<Vec<_>>().join(", ");
        let done =
            if done.is_empty() { t!("commands.nothing_done") } else { t!("commands.done", steps = done) };
        let message =
            t!("commands.failed", name = own.name, when = own.when(), error = inner.message, done = done);
        let from = if own.stage > Stage::Verify { own.stage.to_string() } else { own.name.clone() };
        let again = format!("trasvase run {} --from {from}", self.clinic.name);
        let failure = Failure { message: message.into_owned(), passing: None, ..inner };
        failure.hint(again)
    }

    /// Before anything begins: SQL that cannot be read.
    pub(super) fn own_steps_there(&self, steps: &[Step<'_>]) -> Result<()> {
        for step in steps {
            if let Step::Own(own) = step {
                own.sql(self.project, &self.clinic.name)?;
            }
        }
        for own in self.all_own_beside() {
            own.sql(self.project, &self.clinic.name)?;
        }
        Ok(())
    }

    /// Tells which own steps a single stage leaves out.
    pub(super) fn tell_not_taken(&self, steps: &[Step<'_>]) {
        let names = not_taken(steps, &self.clinic.commands);
        if let Some(Step::Stage(stage)) = steps.first().filter(|_| !names.is_empty()) {
            let (names, clinic) = (names.join(", "), &self.clinic.name);
            let text = t!("commands.not_taken", names = names, clinic = clinic);
            self.observe(&Event::Note { stage: *stage, text: &text });
        }
    }

    /// A step must not go on with what a failed stage left.
    fn preceded_own(&mut self, own: &OwnStep) -> Result<()> {
        if !self.project.duckdb_path(&self.clinic.name).is_file() {
            return Ok(());
        }
        self.open_staging(own.stage)?;
        let Some(staging) = &self.staging else { return Ok(()) };
        let states = crate::cli::status::states(&staging.stages()?);
        let before = |stage: Stage| stage < own.stage || (stage == own.stage && own.moment == Moment::After);
        let failed = states.iter().find(|(stage, state)| before(*stage) && *state == State::Failed);
        let Some((failed, _)) = failed else { return Ok(()) };
        let clinic = &self.clinic.name;
        Err(Failure::usage(t!("cli.run.failed_before", failed = failed, stage = own.name))
            .hint(format!("trasvase run {clinic} --from {failed} --until {}", own.stage))
            .hint(format!("trasvase log {clinic} --errors"))
            .into())
    }
}

/// Names what a rehearsal left out.
pub(super) fn left_out(own: &[OwnDone]) -> Page {
    let names: Vec<&str> =
        own.iter().filter(|one| one.state == OwnState::LeftOut).map(|one| one.name.as_str()).collect();
    match names.is_empty() {
        true => Page::new(),
        false => Page::new().line(t!("commands.left_out", names = names.join(", "))),
    }
}
