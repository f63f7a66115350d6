use anyhow::Result;
use rust_i18n::t;

use super::arguments::Format;
use super::context::Context;
use super::output;
use super::pipeline::Wanted;
use super::run;
use crate::model::run::Stage;

/// Take every clinic of this project through all stages, and say what to look at next
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {}

const EXAMPLES: &str = "Examples:
  trasvase demo";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let command = "demo".to_owned();
        let wanted = Wanted { command, last: Stage::Verify, ..Wanted::stage(Stage::Load) };
        run::every_clinic(context, &wanted)?;
        if context.format() == Format::Table {
            let clinics = context.project()?.clinics()?;
            let clinic = clinics.first().map(ToString::to_string).unwrap_or_default();
            output::text(&t!("cli.demo.next", clinic = clinic));
        }
        Ok(())
    }
}
