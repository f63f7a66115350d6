//! Stages that come after a run where clinic.toml names them: rows first, then files and accounts that rows tell of, the
//! archive last. Each is a command of its own that opens what it needs and takes up what broke off.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use serde_json::Value;

use super::{Outcome, OwnSteps, Pipeline, Wanted};
use crate::cli::context::Context;
use crate::cli::output::Page;
use crate::cli::{archive, aws, files, users};
use crate::config::{Clinic, Consent, Files, Moment, OwnStep, Project};
use crate::error::{Failure, interrupt};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg::Target;
use crate::staging::{Access, Staging};

/// What such a stage did.
#[derive(Serialize)]
pub(in crate::cli) struct Beside {
    pub(in crate::cli) stage: Stage,
    pub(in crate::cli) milliseconds: u64,
    report: Answer,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Files(files::Answer),
    Users(users::Answer),
    Archive(Box<archive::Answer>),
}

/// Looks whether a stage that comes after a run has what it needs of the environment.
///
/// # Errors
/// A variable that is not set, or that names nothing of use.
pub(in crate::cli) fn ready(
    context: &Context,
    project: &Project,
    clinic: &Clinic,
    stage: Stage,
) -> Result<()> {
    let mut buckets = BTreeSet::new();
    match stage {
        Stage::Users => drop(users::Desk::open(context, Some(&clinic.name))?),
        Stage::Files => {
            aws::apart(project)?;
            let consents = |one: &Files| one.consent == Consent::All(true);
            buckets
                .extend(clinic.files.iter().map(|one| if consents(one) { aws::WORM } else { aws::GENERAL }));
        }
        _ => {
            if let Some(settings) = &clinic.archive {
                crate::archive::ready(settings)?;
            }
            buckets.insert(aws::WORM);
        }
    }
    buckets.into_iter().try_for_each(|name| aws::named(project, name).map(drop))
}

impl Pipeline<'_> {
    /// Looks whether those that come after have what they need of the environment, before anything is opened.
    pub(super) fn beside_ready(&self) -> Result<()> {
        if self.wanted.dry_run {
            return Ok(());
        }
        let mut stages = self.wanted.beside.iter().filter(|stage| self.clinic.has_stage(**stage));
        stages.try_for_each(|stage| ready(self.context, self.project, self.clinic, *stage))
    }

    /// Those that are wanted and named in clinic.toml, one after the other, until one fails; the clinic's own steps around them.
    pub(super) fn beside(&mut self, outcome: &mut Outcome) -> Result<()> {
        if self.stop.is_some() {
            return Ok(());
        }
        for stage in Stage::BESIDE {
            self.own_beside(stage, Moment::Before, outcome)?;
            if self.wanted.beside.contains(&stage) && self.clinic.has_stage(stage) {
                match self.wanted.dry_run {
                    true => outcome.beside_planned.push(stage),
                    false => self.one_beside(stage, outcome)?,
                }
            }
            self.own_beside(stage, Moment::After, outcome)?;
        }
        Ok(())
    }

    fn one_beside(&mut self, stage: Stage, outcome: &mut Outcome) -> Result<()> {
        interrupt::check()?;
        outcome.at = Some(stage);
        // It opens what it needs.
        self.staging = None;
        self.kept = self.connection.take().map(|connection| connection.target).or(self.kept.take());
        let (context, clinic, confirm) = (self.context, &self.clinic.name, self.wanted.confirm.clone());
        let started = Instant::now();
        let (report, failure) = match stage {
            Stage::Files => {
                let (answer, failure) = files::Arguments::of_a_run(clinic, confirm).take(context)?;
                (Answer::Files(answer), failure)
            }
            Stage::Users => {
                let (answer, failure) = users::Arguments::of_a_run(clinic, confirm).take(context)?;
                (Answer::Users(answer), failure)
            }
            _ => (Answer::Archive(Box::new(archive::Arguments::of_a_run(clinic).take(context)?)), None),
        };
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        outcome.beside.push(Beside { stage, milliseconds, report });
        failure.map_or(Ok(()), Err)
    }

    fn own_beside(&mut self, stage: Stage, moment: Moment, outcome: &mut Outcome) -> Result<()> {
        for own in self.own_of(stage, moment) {
            self.own_step(&own, false, outcome)?;
        }
        Ok(())
    }

    /// The clinic's own steps around what comes after a run, of those that this one takes.
    fn own_of(&self, stage: Stage, moment: Moment) -> Vec<OwnStep> {
        let comes = self.wanted.beside.contains(&stage);
        let taken = |own: &&OwnStep| match &self.wanted.own_steps {
            OwnSteps::None => false,
            OwnSteps::Picked(names) => names.contains(&own.name),
            OwnSteps::Run { with, .. } | OwnSteps::Beside { with } => {
                comes && (own.autopilot || with.contains(&own.name))
            }
        };
        let there = self.clinic.commands.iter().filter(|own| (own.stage, own.moment) == (stage, moment));
        there.filter(taken).cloned().collect()
    }

    /// All of these.
    pub(super) fn all_own_beside(&self) -> Vec<OwnStep> {
        let moments = [Moment::Before, Moment::After];
        let places = Stage::BESIDE.into_iter().flat_map(|stage| moments.map(|moment| (stage, moment)));
        places.flat_map(|(stage, moment)| self.own_of(stage, moment)).collect()
    }
}

/// What a command that comes after a run came to, for the books.
pub(in crate::cli) struct Ended<'a> {
    pub(in crate::cli) stage: Stage,
    /// Of the push of its rows.
    pub(in crate::cli) run: &'a str,
    /// Batches that it wrote.
    pub(in crate::cli) batches: Vec<String>,
    pub(in crate::cli) output: String,
    /// Nothing speaks against calling it done.
    pub(in crate::cli) clean: bool,
    pub(in crate::cli) counts: Value,
}

/// Writes down how it ended, for `status`; the batches of before stand beside the new ones, so that a rollback of any is known.
pub(in crate::cli) fn note(
    context: &Context,
    (project, clinic): (&Project, &Clinic),
    ended: Ended<'_>,
) -> Result<()> {
    let staging = Staging::open(project, clinic, Access::Write, &context.limits())?;
    let (rows, stage) = (staging.stages()?, ended.stage);
    let row = |stage| rows.iter().find(|row| row.stage == stage);
    let exported = row(Stage::Export).and_then(|row| row.output.clone());
    let before = row(stage).and_then(|row| row.counts["batches"].as_array().cloned());
    let batches: Vec<Value> =
        before.into_iter().flatten().chain(ended.batches.into_iter().map(Value::from)).collect();
    let mut counts = ended.counts;
    let target = Target::chosen(project, context.global.target.as_deref())?;
    (counts["batches"], counts["target"]) = (batches.into(), target.as_str().into());
    staging.begin_stage(stage, ended.run, exported.as_deref(), Some(&target))?;
    staging.finish_stage(stage, ended.clean, &ended.output, &counts)
}

/// Refuses to begin with what clinic.toml does not name: such a run would do nothing, or not what was asked for.
pub(super) fn begins_with_named(clinic: &Clinic, wanted: &Wanted) -> Result<(), Failure> {
    let (first, clinic_name) = (wanted.first, &clinic.name);
    if !Stage::BESIDE.contains(&first) || clinic.has_stage(first) {
        return Ok(());
    }
    Err(match first {
        Stage::Files => {
            Failure::usage(t!("files.no_section", clinic = clinic_name)).hint(t!("files.no_section_hint"))
        }
        Stage::Users => {
            Failure::usage(t!("users.no_section", clinic = clinic_name)).hint(t!("users.no_section_hint"))
        }
        _ => Failure::usage(t!("archive.no_section", clinic = clinic_name))
            .hint(t!("config.archive_retention_hint")),
    })
}

impl Beside {
    pub(in crate::cli) fn counts(&self) -> Value {
        match &self.report {
            Answer::Files(answer) => answer.counts(),
            Answer::Users(answer) => answer.counts(),
            Answer::Archive(answer) => answer.counts(),
        }
    }

    pub(super) fn page(&self, clinic: &ClinicName, target: Option<&str>) -> Page {
        match &self.report {
            Answer::Files(answer) => answer.page(clinic),
            Answer::Users(answer) => answer.page(clinic, target),
            Answer::Archive(answer) => answer.page(clinic),
        }
    }
}
