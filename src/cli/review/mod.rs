//! `trasvase review`: people decide about pairs, in a terminal or in a spreadsheet.

mod bars;
mod cell;
mod draw;
mod spreadsheet;
mod state;
mod terminal;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::context::Context;
use super::entity::{self, Entity};
use super::output::{self, Page};
use crate::dedupe::Model;
use crate::dedupe::decisions::Decisions;
use crate::dedupe::pending::{self, Pair};
use crate::error::Failure;
use crate::staging::{Access, Staging};

/// Decide which pairs of records are the same: in the terminal, or in a spreadsheet
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "trasvase review [OPTIONS] [CLINIC] [ENTITY]")]
pub(super) struct Arguments {
    /// The clinic and the entity, such as patient; each where there are several
    #[arg(value_name = "NAME", num_args = 0..=2)]
    names: Vec<String>,
    /// Write the pairs that wait into this .csv, to be decided in a spreadsheet; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "import")]
    export: Option<PathBuf>,
    /// Take the decisions that were filled in a file of --export
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// Who decides; git's user.name where not given, else the machine's user
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
}

const EXAMPLES: &str = "Examples:
  trasvase review acme patient
  trasvase review acme patient --export pairs.csv
  trasvase review acme patient --import pairs.csv --who \"Dr Ruiz\"";

/// What everything about one entity's pairs needs.
struct Desk {
    entity: Entity,
    staging: Staging,
    decisions: Decisions,
    /// What the pairs were weighed by, if it is there still.
    model: Option<Model>,
    who: String,
}

/// What a sitting at the terminal came to.
#[derive(Debug, Serialize)]
struct Report {
    entity: String,
    same: usize,
    different: usize,
    skipped: usize,
    /// Pairs that still wait.
    pending: usize,
    file: String,
    next: String,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let entity = Entity::named(context, &self.names)?;
        if let Some(path) = &self.export {
            spreadsheet::check_name(path)?;
        } else if self.import.is_none() {
            needs_terminal(&entity)?;
        }
        let decisions = Decisions::read(&entity.project, &entity.clinic, &entity.name)?;
        let staging = Staging::open(&entity.project, &entity.clinic, Access::ReadOnly, &context.limits())?;
        let who = entity::who(&entity.project, self.who.as_deref());
        let model = Model::fitted(&entity.project, &entity.clinic, &entity.name)?;
        let mut desk = Desk { entity, staging, decisions, model, who };
        desk.tell_gone()?;
        match (&self.export, &self.import) {
            (Some(path), _) => spreadsheet::export(context, &desk, path),
            (None, Some(path)) => spreadsheet::import(context, &mut desk, path),
            (None, None) => desk.sit_down(context),
        }
    }
}

impl Desk {
    fn pending(&self) -> Result<Vec<Pair>> {
        pending::list(&self.staging, &self.entity.name, self.entity.settings(), &self.decisions)
    }

    /// The command that carries out what was decided.
    fn next(&self) -> String {
        format!("trasvase transform {}", self.entity.clinic.name)
    }

    /// Decisions about records that are no more: harmless, but somebody may have mistyped them.
    fn tell_gone(&self) -> Result<()> {
        let count = self.decisions.gone(&self.staging, &self.entity.name)?;
        if count > 0 {
            output::status(&t!("cli.review.gone", count = count, file = self.decisions.shown()));
        }
        Ok(())
    }

    fn sit_down(&mut self, context: &Context) -> Result<()> {
        let pairs = self.pending()?;
        let total = pairs.len();
        let tally = if total == 0 { state::Tally::default() } else { terminal::run(self, &pairs)? };
        let report = Report {
            entity: self.entity.name.clone(),
            same: tally.same,
            different: tally.different,
            skipped: tally.skipped,
            pending: total - tally.same - tally.different,
            file: self.decisions.shown().to_owned(),
            next: self.next(),
        };
        output::show(context.format(), &report, page)
    }
}

fn page(report: &Report) -> Page {
    let decided = report.same + report.different;
    let page = match decided {
        0 => Page::new(),
        _ => Page::new().line(t!(
            "cli.review.decided",
            same = report.same,
            different = report.different,
            file = report.file
        )),
    };
    let page = match report.pending {
        0 => page.line(t!("cli.review.none")),
        count => page.line(t!("cli.review.pending", count = count)),
    };
    if decided > 0 { page.line(format!("  → {}", report.next)) } else { page }
}

/// Fails where there is nobody to look at pairs.
fn needs_terminal(entity: &Entity) -> Result<()> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    let (clinic, name) = (&entity.clinic.name, &entity.name);
    Err(Failure::usage(t!("cli.review.no_terminal"))
        .hint(format!("trasvase review {clinic} {name} --export {name}.csv"))
        .into())
}
