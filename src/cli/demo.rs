use std::collections::BTreeSet;

use anyhow::Result;
use rust_i18n::t;

use super::arguments::Format;
use super::context::Context;
use super::every_clinic;
use super::output;
use super::pipeline::{OwnSteps, Wanted};
use crate::config::{Clinic, Project};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg;
use crate::pg::embedded::{Server, stand_in};

/// Take every clinic of this project through all stages that can run by itself, and say what to look at next
///
/// A clinic that asks a live source is left out; with --all it is taken too, where the variables that name its sources are set,
/// or where its folder has sources/<VARIABLE>.sql: a database of the private server is made from that.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Also clinics that ask live sources, where their variables are set or a file of SQL stands in for them
    #[arg(long)]
    all: bool,
}

const EXAMPLES: &str = "Examples:
  trasvase demo
  trasvase demo --all";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let command = "demo".to_owned();
        let own_steps = OwnSteps::Run { with: Vec::new(), from: None };
        let wanted = Wanted { command, own_steps, last: Stage::Verify, ..Wanted::stage(Stage::Load) };
        let project = context.project()?;
        let mut clinics = Vec::new();
        // They are there as long as somebody has them.
        let mut stand_ins = Vec::new();
        for name in project.clinics()? {
            if self.all {
                stand_ins.extend(stand_ins_of(&project, &name)?);
            }
            match self.left_out(&project, &name) {
                Some(why) => output::status(&t!("cli.demo.left_out", clinic = name, why = why)),
                None => clinics.push(name),
            }
        }
        every_clinic::run(context, &wanted, &clinics)?;
        if context.format() == Format::Table {
            output::text(&match clinics.iter().find(|name| runs_alone(&project, name)) {
                Some(clinic) => t!("cli.demo.next", clinic = clinic),
                None => t!("cli.demo.next_alone"),
            });
        }
        Ok(())
    }

    /// Why a clinic cannot run by itself. One whose clinic.toml is wrong is not left out: its run tells that.
    fn left_out(&self, project: &Project, name: &ClinicName) -> Option<String> {
        let clinic = Clinic::read(project, name).ok()?;
        let mut variables = clinic.sources.values().filter_map(|source| source.url.as_deref());
        if !self.all {
            let variable = variables.next()?;
            return Some(t!("cli.demo.live", variable = variable).into_owned());
        }
        let is_set = |name: &str| pg::variable(project, name).is_ok_and(|value| value.is_some());
        let missing = variables.find(|name| !is_set(name))?;
        Some(t!("cli.demo.not_set", variable = missing).into_owned())
    }
}

/// Whether a clinic needs no variable: what stands in for a live source ends with the demo.
fn runs_alone(project: &Project, name: &ClinicName) -> bool {
    Clinic::read(project, name).is_ok_and(|clinic| clinic.sources.values().all(|source| source.url.is_none()))
}

/// Makes the databases that stand in for a clinic's live sources whose variables are not set.
fn stand_ins_of(project: &Project, name: &ClinicName) -> Result<Vec<Server>> {
    let mut made = Vec::new();
    let Ok(clinic) = Clinic::read(project, name) else { return Ok(made) };
    let variables: BTreeSet<&str> =
        clinic.sources.values().filter_map(|source| source.url.as_deref()).collect();
    for variable in variables {
        let file = project.clinic_dir(name).join(format!("sources/{variable}.sql"));
        if file.is_file() && pg::variable(project, variable)?.is_none() {
            made.push(stand_in(project, variable, &file, &format!("{name}_{variable}").to_lowercase())?);
        }
    }
    Ok(made)
}
