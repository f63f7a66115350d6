use anyhow::Result;
use rust_i18n::t;

use super::arguments::Format;
use super::context::Context;
use super::output;
use super::pipeline::Wanted;
use super::run;
use crate::config::{Clinic, Project};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg;

/// Take every clinic of this project through all stages that can run by itself, and say what to look at next
///
/// A clinic that asks a live source is left out; with --all it is taken too, where the variables that name its sources are set.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Also clinics that ask live sources, where their variables are set
    #[arg(long)]
    all: bool,
}

const EXAMPLES: &str = "Examples:
  trasvase demo
  trasvase demo --all";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let command = "demo".to_owned();
        let wanted = Wanted { command, last: Stage::Verify, ..Wanted::stage(Stage::Load) };
        let project = context.project()?;
        let mut clinics = Vec::new();
        for name in project.clinics()? {
            match self.left_out(&project, &name) {
                Some(why) => output::status(&t!("cli.demo.left_out", clinic = name, why = why)),
                None => clinics.push(name),
            }
        }
        run::every_clinic(context, &wanted, &clinics)?;
        if context.format() == Format::Table {
            let clinic = clinics.first().map(ToString::to_string).unwrap_or_default();
            output::text(&t!("cli.demo.next", clinic = clinic));
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
