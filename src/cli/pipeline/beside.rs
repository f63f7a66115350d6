//! Stages that come after a run where clinic.toml names them: rows first, then files and accounts that rows tell of, the
//! archive last. Each is a command of its own that opens what it needs and takes up what broke off.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::{Outcome, Pipeline};
use crate::cli::output::Page;
use crate::cli::{archive, aws, files, users};
use crate::config::{Clinic, Consent, Files};
use crate::error::interrupt;
use crate::model::ident::ClinicName;
use crate::model::run::Stage;

/// What such a stage did.
#[derive(Serialize)]
pub(in crate::cli) struct Beside {
    pub(super) stage: Stage,
    pub(super) milliseconds: u64,
    report: Answer,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Files(files::Answer),
    Users(users::Answer),
    Archive(Box<archive::Answer>),
}

impl Pipeline<'_> {
    /// Looks whether those that come after have what they need of the environment, before anything is opened.
    pub(super) fn beside_ready(&self) -> Result<()> {
        let mut buckets = BTreeSet::new();
        for stage in self.wanted.beside.iter().filter(|stage| is_named(self.clinic, **stage)) {
            match stage {
                Stage::Users => drop(users::Desk::open(self.context, Some(&self.clinic.name))?),
                Stage::Files => {
                    let consents = |one: &Files| one.consent == Consent::All(true);
                    let bucket = |one| if consents(one) { files::WORM } else { files::GENERAL };
                    buckets.extend(self.clinic.files.iter().map(bucket));
                }
                _ => drop(buckets.insert(files::WORM)),
            }
        }
        buckets.into_iter().try_for_each(|name| aws::named(self.project, name).map(drop))
    }

    /// Those that are wanted and named in clinic.toml, one after the other, until one fails.
    pub(super) fn beside(&mut self, outcome: &mut Outcome) -> Result<()> {
        let named = |stage: &&Stage| is_named(self.clinic, **stage);
        let stages: Vec<Stage> = self.wanted.beside.iter().filter(named).copied().collect();
        if stages.is_empty() || self.stop.is_some() {
            return Ok(());
        }
        self.staging = None;
        self.kept = self.connection.take().map(|connection| connection.target).or(self.kept.take());
        let (context, clinic, confirm) = (self.context, &self.clinic.name, self.wanted.confirm.clone());
        for stage in stages {
            interrupt::check()?;
            let started = Instant::now();
            let (report, failure) = match stage {
                Stage::Files => {
                    let (answer, failure) =
                        files::Arguments::of_a_run(clinic, confirm.clone()).take(context)?;
                    (Answer::Files(answer), failure)
                }
                Stage::Users => {
                    let (answer, failure) =
                        users::Arguments::of_a_run(clinic, confirm.clone()).take(context)?;
                    (Answer::Users(answer), failure)
                }
                _ => (Answer::Archive(Box::new(archive::Arguments::of_a_run(clinic).take(context)?)), None),
            };
            let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            outcome.beside.push(Beside { stage, milliseconds, report });
            failure.map_or(Ok(()), Err)?;
        }
        Ok(())
    }
}

fn is_named(clinic: &Clinic, stage: Stage) -> bool {
    match stage {
        Stage::Files => !clinic.files.is_empty(),
        Stage::Users => clinic.users.is_some(),
        Stage::Archive => clinic.archive.is_some(),
        _ => false,
    }
}

impl Beside {
    pub(super) fn counts(&self) -> Value {
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
