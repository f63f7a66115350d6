//! The order of the stages, which nothing else knows, and the books that are kept about each.

mod connection;
mod gate;
mod proof;
mod rehearsal;
mod work;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::context::Context;
use super::journal::Journal;
use super::output::{self, Page, Table};
use super::peak::Peak;
use super::progress::{Both, Progress};
use super::status::{self, State, counts_text};
use super::{check, export, hints, load, push, rehearse, retry, rollback, transform, verify};
use crate::config::{Clinic, Project, near, sql_files};
use crate::error::again::{self, Retries};
use crate::error::{Failure, Kind, interrupt};
use crate::model::hex;
use crate::model::ident::{ClinicName, TableName};
use crate::model::run::{Event, Observer as _, Stage};
use crate::pg::Target;
use crate::push::Begun;
use crate::staging::{Access, StageRow, StageRun, Staging};
pub(super) use connection::Connection;
pub(super) use proof::prove;
pub(super) use rehearsal::Rehearsing;

/// Which stages to run, and how.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// As it was typed, for the log.
    pub(super) command: String,
    pub(super) first: Stage,
    pub(super) last: Stage,
    /// Sources to load; empty for all.
    pub(super) sources: Vec<String>,
    /// Read sources again that did not change.
    pub(super) force: bool,
    /// Read only new files of sources with a cursor.
    pub(super) incremental: bool,
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
            sources: Vec::new(),
            force: false,
            incremental: false,
            select: Vec::new(),
            only: None,
            snapshot: None,
            plan: None,
            confirm: None,
            dry_run: false,
            allow_pending: false,
            notes: String::new(),
            without_rehearsal: None,
            rehearsing: None,
            show_values: false,
            most: 20,
            verify: verify::Wanted::default(),
        }
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
    /// Names and numbers, for `status`.
    pub(super) counts: Value,
    pub(super) report: Report,
}

/// What a run came to.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) clinic: ClinicName,
    pub(super) run: String,
    pub(super) stages: Vec<Done>,
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
    let outcome = run(context, &project, &clinic, wanted)?;
    output::show(context.format(), &outcome, |outcome| outcome.page(wanted.first != wanted.last))?;
    outcome.failure.map_or(Ok(()), Err)
}

/// Runs the stages of one clinic in order, until one fails.
pub(super) fn run(context: &Context, project: &Project, clinic: &Clinic, wanted: &Wanted) -> Result<Outcome> {
    let journal = Journal::begin(project, &clinic.name, &wanted.command)?;
    let mut pipeline = Pipeline {
        context,
        project,
        clinic,
        wanted,
        progress: Progress::new(context.global.log_level),
        journal,
        staging: None,
        connection: None,
        stop: None,
        unrehearsed: None,
        stage_set: rehearsal::StageSet::default(),
        agreed: None,
        begun: None,
    };
    let mut outcome = Outcome {
        clinic: clinic.name.clone(),
        run: pipeline.journal.run(),
        stages: Vec::new(),
        rolled_back: None,
        rehearsal: None,
        failure: None,
        target: context.global.target.clone(),
    };
    for stage in Stage::ALL.into_iter().filter(|stage| (wanted.first..=wanted.last).contains(stage)) {
        match pipeline.step(stage) {
            Ok(done) => outcome.stages.push(done),
            Err(error) => {
                outcome.failure = Some(error);
                break;
            }
        }
    }
    outcome.failure = outcome.failure.or(pipeline.stop.take().map(Into::into));
    pipeline.take_back(&mut outcome);
    pipeline.note_rehearsal(&mut outcome);
    let target = context.global.target.as_deref();
    outcome.failure = outcome.failure.map(|error| hints::completed(&error, Some(&clinic.name), target));
    let failure = outcome.failure.as_ref().map(Failure::from_anyhow);
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
    journal: Journal,
    /// Opened by the first stage that needs it. Push and verify do without where there is none.
    staging: Option<Staging>,
    connection: Option<Connection>,
    /// Why nothing must be pushed, and the exit code in the end: too many rejects, an unequal target.
    stop: Option<Failure>,
    /// Why it goes to production unrehearsed.
    unrehearsed: Option<String>,
    /// What is set up for a rehearsal.
    stage_set: rehearsal::StageSet,
    /// The plan of a push that a person agreed to, or that nobody had to be asked about: nobody is asked twice.
    agreed: Option<Option<String>>,
    /// A push whose session was lost.
    begun: Option<Begun>,
}

impl Pipeline<'_> {
    /// One stage with its books: begun, then done or failed, in the staging file and in the log.
    fn step(&mut self, stage: Stage) -> Result<Done> {
        interrupt::check()?;
        if stage == Stage::Push
            && !self.wanted.dry_run
            && let Some(stop) = self.stop.take()
        {
            return Err(stop.into());
        }
        self.ready(stage)?;
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
                self.progress.stage_done(stage, &counts_text(&counts), milliseconds);
                Ok(Done { stage, milliseconds, counts, report })
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

    /// What a stage took; the staging file keeps it too.
    fn took(
        &self,
        stage: Stage,
        milliseconds: u64,
        peak: &Peak,
        report: &Report,
        counts: &Value,
    ) -> Result<StageRun> {
        let took = StageRun {
            run: self.journal.run(),
            stage: stage.to_string(),
            target: counts["target"].as_str().filter(|_| stage >= Stage::Push).map(str::to_owned),
            output: Some(self.output(stage, report)?),
            rows: rows(report),
            milliseconds,
            peak_bytes: peak.bytes(),
            peak_of_stage: peak.anew,
            ended_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        };
        if let Some(staging) = self.staging.as_ref().filter(|_| self.keeps_books(stage)) {
            staging.note_run(&took)?;
        }
        Ok(took)
    }

    /// Refuses what cannot come to anything, before any book is opened.
    fn ready(&mut self, stage: Stage) -> Result<()> {
        let clinic = &self.clinic.name;
        if stage == self.wanted.first
            && let Some(only) = &self.wanted.only
        {
            self.made(only)?;
        }
        match stage {
            Stage::Load if self.clinic.sources.is_empty() => {
                return Err(Failure::usage(t!("cli.run.no_sources", clinic = clinic))
                    .hint(t!("cli.run.no_sources_hint", clinic = clinic))
                    .into());
            }
            Stage::Transform
                if sql_files(self.project, self.clinic, "clean")?.is_empty()
                    && sql_files(self.project, self.clinic, "target")?.is_empty() =>
            {
                let (product, system) = (&self.clinic.product, &self.clinic.system);
                return Err(Failure::usage(t!("cli.run.no_models", product = product, system = system))
                    .hint(t!("cli.run.no_models_hint", folder = self.project.root().display()))
                    .into());
            }
            Stage::Transform => self.has_folders()?,
            _ => {}
        }
        // A run has just done the stages before; a snapshot that is named stands for itself.
        let alone = stage == self.wanted.first && self.wanted.snapshot.is_none();
        if alone && (Stage::Transform..=Stage::Push).contains(&stage) { self.preceded(stage) } else { Ok(()) }
    }

    /// Refuses a table that no model makes.
    fn made(&self, table: &TableName) -> Result<()> {
        let models = sql_files(self.project, self.clinic, "target")?;
        let names: Vec<String> = models.into_iter().map(|file| file.name).collect();
        if names.iter().any(|name| TableName::from(name.as_str()) == *table) {
            return Ok(());
        }
        let near = near(&table.to_string(), &names);
        Err(Failure::usage(t!("cli.run.no_model", table = table, near = near)).into())
    }

    /// Refuses a product or a system that has no SQL: its models would be missed by nobody.
    fn has_folders(&self) -> Result<()> {
        let (project, clinic) = (self.project, self.clinic);
        let own = project.clinic_dir(&clinic.name).join("sql");
        for (setting, name, folder, layer) in [
            ("product", &clinic.product, project.sql_dir().join("sources"), "clean"),
            ("system", &clinic.system, project.sql_dir().join("systems"), "target"),
        ] {
            if !folder.join(name).is_dir() && !own.join(layer).is_dir() {
                let shown =
                    |path: &Path| path.strip_prefix(project.root()).unwrap_or(path).display().to_string();
                let (folder, own) = (shown(&folder.join(name)), shown(&own.join(layer)));
                return Err(Failure::usage(t!(
                    "cli.run.no_folder",
                    setting = setting,
                    name = name,
                    folder = folder
                ))
                .hint(t!("cli.run.no_folder_hint", setting = setting, folder = folder, own = own))
                .into());
            }
        }
        Ok(())
    }

    /// A stage must not go on with what a failed one left; what is only out of date is told.
    fn preceded(&mut self, stage: Stage) -> Result<()> {
        if !self.project.duckdb_path(&self.clinic.name).is_file() {
            return Ok(());
        }
        self.open_staging(stage)?;
        let Some(staging) = &self.staging else { return Ok(()) };
        let clinic = &self.clinic.name;
        let states = status::states(&staging.stages()?);
        let before = || states.iter().take_while(|(one, _)| *one < stage);
        if let Some((failed, _)) = before().find(|(_, state)| *state == State::Failed) {
            return Err(Failure::usage(t!("cli.run.failed_before", failed = failed, stage = stage))
                .hint(format!("trasvase run {clinic} --from {failed} --until {stage}"))
                .hint(format!("trasvase log {clinic} --errors"))
                .into());
        }
        if let Some((stale, _)) = before().find(|(_, state)| *state == State::Stale) {
            let next = format!("trasvase run {clinic} --from {stale} --until {stage}");
            let next = hints::complete(&next, None, self.context.global.target.as_deref());
            let text = t!("cli.run.stale_before", stale = stale, next = next);
            Both(&self.progress, &self.journal).event(&Event::Warning { stage, text: &text });
        }
        Ok(())
    }

    fn begin(&self, stage: Stage) -> Result<()> {
        if !self.keeps_books(stage) {
            return Ok(());
        }
        let Some(staging) = &self.staging else { return Ok(()) };
        let input = match (stage, &self.wanted.snapshot) {
            (Stage::Push | Stage::Verify, Some(_)) => Some(self.snapshot()?.id().to_owned()),
            _ => {
                stage_before(stage).and_then(|before| last_output(staging, before).transpose()).transpose()?
            }
        };
        let target = match stage {
            Stage::Push | Stage::Verify => {
                Some(Target::chosen(self.project, self.context.global.target.as_deref())?)
            }
            _ => None,
        };
        staging.begin_stage(stage, &self.journal.run(), input.as_deref(), target.as_deref())
    }

    fn finish(&self, stage: Stage, report: &Report, counts: &Value) -> Result<()> {
        match &self.staging {
            Some(staging) if self.keeps_books(stage) => {
                staging.finish_stage(stage, clean(report), &self.output(stage, report)?, counts)
            }
            _ => Ok(()),
        }
    }

    /// Marks a stage as failed; one that was only asked wrongly stands as it stood before. The stage's own error is the
    /// one worth telling, so a failure to write this is only logged.
    fn fail(&self, stage: Stage, before: Option<&StageRow>, error: &anyhow::Error) {
        let Some(staging) = self.staging.as_ref().filter(|_| self.keeps_books(stage)) else { return };
        let written = match Failure::from_anyhow(error).kind {
            Kind::Usage => staging.restore_stage(stage, before),
            _ => staging.fail_stage(stage),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "the stage is not marked as failed");
        }
    }

    fn keeps_books(&self, stage: Stage) -> bool {
        !(stage >= Stage::Push && (self.wanted.dry_run || self.wanted.rehearsing.is_some()))
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

    fn counts(&self, report: &Report) -> Value {
        let target = || self.connection.as_ref().map(|connection| connection.target.name.clone());
        match report {
            Report::Load(report) => load::counts(report),
            Report::Transform(report) => transform::counts(report),
            Report::Check(report) => {
                let mut counts = check::counts(report);
                counts["catalog"] = self.connection.as_ref().map(|c| c.hash(report)).into();
                with(counts, "target", json!(target()))
            }
            Report::Export(report) => with(export::counts(report), "target", json!(target())),
            Report::Push(report) => with(push::counts(report), "target", json!(target())),
            Report::Verify(report) => with(verify::counts(report), "target", json!(target())),
        }
    }

    /// A hash of what the stage made: a stage that reads it is stale once it differs.
    fn output(&self, stage: Stage, report: &Report) -> Result<String> {
        let staging = self.staging.as_ref();
        let hashed = |sql: &str| staging.map_or(Ok(String::new()), |staging| staging.value::<String>(sql));
        match report {
            Report::Load(_) => hashed(LOADED),
            Report::Transform(_) => hashed(BUILT),
            Report::Check(report) => {
                let catalog = self.connection.as_ref().map(|connection| connection.hash(report));
                let text = format!("{} {catalog:?} {}", hashed(BUILT)?, serde_json::to_string(report)?);
                Ok(hex(Sha256::digest(text)))
            }
            Report::Export(report) => Ok(report.snapshot.clone()),
            Report::Push(_) | Report::Verify(_) => {
                let known = staging.map(|staging| begun_with(staging, stage)).transpose()?;
                Ok(known.flatten().unwrap_or_default())
            }
        }
    }
}

/// The content of every file that was loaded, and how it was read.
const LOADED: &str = "select sha256(coalesce(string_agg(concat_ws(' ', source, path, sha256, dialect::varchar, loaded), \
                      chr(10) order by source, file_number), '')) from meta.source_file";

/// The last build of every model.
const BUILT: &str = "select sha256(coalesce(string_agg(model || ' ' || fingerprint, chr(10) order by model), '')) \
                     from (from meta.model_version qualify row_number() over (partition by model order by version desc) = 1)";

/// The rows that a stage was about.
fn rows(report: &Report) -> u64 {
    match report {
        Report::Load(report) => {
            report.sources.iter().filter(|source| !source.unchanged).map(|source| source.rows).sum()
        }
        Report::Transform(report) => report.built.iter().map(|model| model.rows).sum(),
        Report::Check(report) => report.tables.iter().map(|table| table.rows).sum(),
        Report::Export(report) => report.tables.iter().map(|table| table.rows).sum(),
        Report::Push(report) => report.plan.writes(),
        Report::Verify(report) => report.tables.iter().map(|table| table.target).sum(),
    }
}

/// Whether the stage found nothing that stops a run.
fn clean(report: &Report) -> bool {
    match report {
        Report::Check(report) => report.stops().is_empty(),
        Report::Verify(report) => report.is_clean(),
        _ => true,
    }
}

fn with(mut counts: Value, name: &str, value: Value) -> Value {
    counts[name] = value;
    counts
}

fn stage_before(stage: Stage) -> Option<Stage> {
    let place = Stage::ALL.iter().position(|other| *other == stage)?;
    place.checked_sub(1).map(|before| Stage::ALL[before])
}

fn row_of(staging: &Staging, stage: Stage) -> Result<Option<StageRow>> {
    Ok(staging.stages()?.into_iter().find(|row| row.stage == stage))
}

fn last_output(staging: &Staging, stage: Stage) -> Result<Option<String>> {
    Ok(row_of(staging, stage)?.and_then(|row| row.output))
}

fn begun_with(staging: &Staging, stage: Stage) -> Result<Option<String>> {
    Ok(row_of(staging, stage)?.and_then(|row| row.input))
}

impl Outcome {
    pub(super) fn page(&self, many: bool) -> Page {
        let target = self.target.as_deref();
        if !many {
            return self
                .stages
                .iter()
                .fold(Page::new(), |page, done| page.add(done.report.page(&self.clinic, target)));
        }
        let mut table =
            Table::new([t!("cli.status.stage"), t!("cli.log.took"), t!("cli.status.counts")]).right(&[1]);
        for done in &self.stages {
            table.row([
                done.stage.to_string(),
                output::duration(done.milliseconds),
                counts_text(&done.counts),
            ]);
        }
        let page = Page::new().line(format!("{} {}", t!("cli.run.clinic"), self.clinic)).table(table);
        // Of many stages, people read what needs a look, and the proof.
        let page = self.stages.iter().fold(page, |page, done| match &done.report {
            Report::Load(report) => page.add(load::faults(report)),
            Report::Transform(report) => {
                page.add(transform::fixes(report)).add(transform::linked(report, &self.clinic))
            }
            Report::Check(report) => page.add(check::faults(report, &self.clinic)),
            Report::Push(report) if report.batch.is_none() && report.plan.writes() > 0 => {
                page.add(push::page(report, &self.clinic, target))
            }
            Report::Push(report) => page.add(push::standing(&report.plan, &self.clinic, target)),
            Report::Verify(report) => page.line("").add(verify::page(report)),
            _ => page,
        });
        let page = match &self.rolled_back {
            Some(report) => page.line("").add(rollback::page(report, &self.clinic)),
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
