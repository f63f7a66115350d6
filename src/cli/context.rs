//! What every command works with: the project, the clinic, the limits, the answers' format.

use std::cell::OnceCell;
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::arguments::{Format, Global, Level};
use super::hints;
use crate::config::{Clinic, Project};
use crate::error::Failure;
use crate::model::ident::ClinicName;
use crate::staging::Limits;

/// The arguments that every command takes, and what follows from them.
pub(super) struct Context {
    pub(super) global: Global,
    /// The clinic that the command turned out to be about.
    clinic: OnceCell<ClinicName>,
}

impl Context {
    pub(super) fn new(global: Global) -> Result<Self> {
        tell(global.log_level)?;
        Ok(Self { global, clinic: OnceCell::new() })
    }

    /// The same for another command of this process, on this target.
    pub(super) fn again(&self, target: Option<String>) -> Self {
        Self { global: Global { target, ..self.global.clone() }, clinic: OnceCell::new() }
    }

    pub(super) fn format(&self) -> Format {
        self.global.format
    }

    /// The project of `--project`, else the nearest one upwards.
    pub(super) fn project(&self) -> Result<Project> {
        match &self.global.project {
            Some(folder) if folder.join("clinics").is_dir() => Ok(Project::at(absolute(folder)?)),
            Some(folder) => Err(Failure::usage(t!("cli.no_project_there", path = folder.display()))
                .hint(t!("config.no_project_hint"))
                .into()),
            None => Project::find(&std::env::current_dir()?),
        }
    }

    /// The clinic named, else the one whose folder we are in, else the only one.
    pub(super) fn clinic_name(&self, project: &Project, name: Option<&ClinicName>) -> Result<ClinicName> {
        if let Some(name) = name {
            return Ok(name.clone());
        }
        let here = std::env::current_dir()?;
        let clinics = project.clinics()?;
        if let Some(clinic) = clinics.iter().find(|clinic| here.starts_with(project.clinic_dir(clinic))) {
            return Ok(clinic.clone());
        }
        match clinics.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Failure::usage(t!("cli.no_clinics")).hint(t!("cli.no_clinics_hint")).into()),
            many => {
                let known = many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                Err(Failure::usage(t!("cli.which_clinic", known = known)).into())
            }
        }
    }

    /// The project and the clinic's settings.
    pub(super) fn clinic(&self, name: Option<&ClinicName>) -> Result<(Project, Clinic)> {
        let project = self.project()?;
        let name = self.clinic_name(&project, name)?;
        let _ = self.clinic.set(name.clone());
        let clinic = Clinic::read(&project, &name)?;
        Ok((project, clinic))
    }

    /// A failure whose hints work as they stand: with this clinic and this target.
    pub(super) fn completed(&self, error: &anyhow::Error) -> anyhow::Error {
        hints::completed(error, self.clinic.get(), self.global.target.as_deref())
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { memory: self.global.memory_limit.clone(), threads: self.global.threads.map(usize::from) }
    }
}

fn absolute(folder: &Path) -> Result<std::path::PathBuf> {
    std::fs::canonicalize(folder).with_context(|| t!("config.cannot_read", path = folder.display()))
}

/// Sends our own log lines to stderr; those of libraries only from `debug` on.
fn tell(level: Level) -> Result<()> {
    let others = if level >= Level::Debug { LevelFilter::WARN } else { LevelFilter::OFF };
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false).without_time())
        .with(Targets::new().with_target("trasvase", level).with_default(others))
        .try_init()
        .context("a second log")
}
