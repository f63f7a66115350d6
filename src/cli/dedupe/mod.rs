//! `trasvase dedupe`: what people read about how records were found to be the same.

mod explained;
mod html;
mod summarised;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Result;
use rust_i18n::t;
use serde_json::json;

use super::context::Context;
use super::entity::Entity;
use super::output::{self, Page};
use crate::dedupe::decisions::Decisions;
use crate::dedupe::explain::{self, Explainer};
use crate::dedupe::pending::Records;
use crate::dedupe::summary::Summary;
use crate::error::Failure;
use crate::staging::{Access, Staging};

/// Show how records were found to be the same: blocking, the fitted model, pairs, clusters; or why two scored as they did
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "trasvase dedupe [OPTIONS] [CLINIC] [ENTITY]")]
pub(super) struct Arguments {
    /// The clinic and the entity, such as patient; each where there are several
    #[arg(value_name = "NAME", num_args = 0..=2)]
    names: Vec<String>,
    /// Only how many pairs each blocking rule would make, before any is made
    #[arg(long, conflicts_with_all = ["explain", "report"])]
    blocking: bool,
    /// Why the records of these two source_ids scored as they did
    #[arg(long, value_names = ["A", "B"], num_args = 2, conflicts_with = "report")]
    explain: Option<Vec<String>>,
    /// Write a page with charts; into staging/<clinic>/reports/ where no file is named
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    report: Option<Option<PathBuf>>,
    /// Show the records' values: of --explain on a terminal only, of --report in its file
    #[arg(long)]
    show_values: bool,
}

const EXAMPLES: &str = "Examples:
  trasvase dedupe acme patient
  trasvase dedupe acme patient --blocking
  trasvase dedupe acme patient --explain 4711 4712 --show-values
  trasvase dedupe acme patient --report patients.html";

/// What everything about one entity's pairs needs.
struct Desk {
    entity: Entity,
    staging: Staging,
    decisions: Decisions,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        if self.show_values && self.report.is_none() && !std::io::stdout().is_terminal() {
            return Err(Failure::usage(t!("cli.dedupe.values_on_terminal")).into());
        }
        let entity = Entity::named(context, &self.names)?;
        let decisions = Decisions::read(&entity.project, &entity.clinic, &entity.name)?;
        let staging = Staging::open(&entity.project, &entity.clinic, Access::ReadOnly, &context.limits())?;
        let desk = Desk { entity, staging, decisions };
        match (&self.explain, &self.report) {
            _ if self.blocking => desk.blocking(context),
            (Some(ids), _) => desk.explain(context, &ids[0], &ids[1], self.show_values),
            (None, Some(file)) => html::write(context, &desk, file.clone(), self.show_values),
            (None, None) => {
                let clinic = &desk.entity.clinic.name;
                output::show(context.format(), &desk.summary()?, |summary| summarised::page(summary, clinic))
            }
        }
    }
}

impl Desk {
    fn summary(&self) -> Result<Summary> {
        let entity = &self.entity;
        Summary::read(
            &entity.project,
            &entity.clinic,
            &self.staging,
            &entity.name,
            entity.settings(),
            &self.decisions,
        )
    }

    fn blocking(&self, context: &Context) -> Result<()> {
        let name = &self.entity.name;
        if !self.staging.has_table("clean", name)? {
            return Err(Failure::failed(t!("cli.dedupe.no_clean", entity = name))
                .hint(format!("trasvase transform {}", self.entity.clinic.name))
                .into());
        }
        let (records, rules) = explain::blocking_report(&self.staging, name, self.entity.settings())?;
        let answer = json!({"entity": name, "records": records, "rules": rules});
        output::show(context.format(), &answer, |_| {
            Page::new()
                .line(t!("cli.dedupe.records", entity = name, count = output::count(records)))
                .add(summarised::rules(&rules, self.entity.settings().max_pairs))
        })
    }

    fn explain(&self, context: &Context, one: &str, other: &str, show_values: bool) -> Result<()> {
        let entity = &self.entity;
        let settings = entity.settings();
        let explainer =
            Explainer::new(&entity.project, &entity.clinic, &self.staging, &entity.name, settings)?;
        let found = explainer.explain(one, other, &self.decisions.decided())?;
        let ids = [found.left.as_str(), found.right.as_str()];
        let records = if show_values { Some(Records::read(&self.staging, &entity.name, ids)?) } else { None };
        output::show(context.format(), &found, |found| explained::page(found, settings, records.as_ref()))
    }
}
