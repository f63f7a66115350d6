use std::collections::BTreeSet;
use std::convert::Infallible;
use std::str::FromStr;

use anyhow::Result;
use clap::builder::NonEmptyStringValueParser;
use rust_i18n::t;

use super::arguments::LoadType;
use super::context::Context;
use super::every_clinic;
use super::pipeline::{self, OwnSteps, Wanted};
use crate::error::Failure;
use crate::model::ident::{ClinicName, TableName};
use crate::model::run::Stage;

/// Take a clinic through all stages: load, transform, check, export, push, verify; then files, users and archive, where clinic.toml has them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// Begin with this stage, or with this own step of [[commands]]
    #[arg(long, value_name = "STAGE")]
    from: Option<Start>,
    /// End with this stage
    #[arg(long, value_name = "STAGE", value_parser = until)]
    until: Option<Stage>,
    /// Only this table and those that it refers to
    #[arg(long, value_name = "TABLE")]
    only: Option<TableName>,
    /// incremental: of sources with a cursor read only new files, and lay their rows over those that are there
    #[arg(long = "type", value_name = "TYPE", value_enum, default_value_t)]
    load_type: LoadType,
    /// Ask no service for the vectors of [embed.TABLE]
    #[arg(long)]
    no_ai: bool,
    /// Empty the clinic's rows in every table and load them anew, in one transaction: mode replace for all tables
    #[arg(long)]
    full_refresh: bool,
    /// Stop at the plan of the push; PostgreSQL is not written
    #[arg(long)]
    dry_run: bool,
    /// Push although more pairs of records wait for a decision than max_pending allows
    #[arg(long)]
    allow_pending: bool,
    /// The clinic's name, in place of typing it: a push to production wants it, and --yes is not enough there
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Push to production what was not rehearsed, and why; the ledger keeps it
    #[arg(long, value_name = "WHY", value_parser = NonEmptyStringValueParser::new())]
    without_rehearsal: Option<String>,
    /// Also this own step of [[commands]], which has autopilot = false; may be given several times
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    with: Vec<String>,
    /// Every clinic of the project, one after the other; one that fails does not stop the next
    #[arg(long, conflicts_with = "clinic")]
    all: bool,
}

const EXAMPLES: &str = "Examples:
  trasvase run acme
  trasvase run acme --until check
  trasvase run acme --type incremental
  trasvase run acme --from push --target rehearsal
  trasvase run acme --from push --target production --confirm acme
  trasvase run acme --only appointment --dry-run
  trasvase run acme --full-refresh --yes
  trasvase run --all --format json >run.json";

/// What a run begins with.
#[derive(Debug, Clone)]
enum Start {
    Stage(Stage),
    /// The clinic's own step of this name, if it has one.
    Own(String),
}

impl FromStr for Start {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Stage::named(text).map_or_else(|| Start::Own(text.to_owned()), Start::Stage))
    }
}

/// A stage of a run, or one that comes after.
fn until(text: &str) -> Result<Stage, Failure> {
    Stage::named(text).map_or_else(|| text.parse(), Ok)
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let wanted = self.wanted()?;
        match self.all {
            true => every_clinic::run(context, &wanted, &context.project()?.clinics()?),
            false => pipeline::run_and_show(context, self.clinic.as_ref(), &wanted),
        }
    }

    fn wanted(&self) -> Result<Wanted> {
        let (first, from) = match &self.from {
            None => (Stage::Load, None),
            Some(Start::Stage(stage)) => (*stage, None),
            // Which stages come after it, its clinic.toml says; several clinics do not say the same.
            Some(Start::Own(name)) if self.all => {
                return Err(Failure::usage(t!("error.stage_name", name = name)).into());
            }
            Some(Start::Own(name)) => (Stage::Load, Some(name.clone())),
        };
        let ends = self.until.unwrap_or(Stage::Archive);
        if first > ends {
            return Err(Failure::usage(t!("cli.run.backwards", from = first, until = ends)).into());
        }
        // Nothing comes after a run of some tables.
        let whole = self.only.is_none();
        let beside = Stage::BESIDE.into_iter().filter(|stage| whole && (first..=ends).contains(stage));
        let only_beside = first > Stage::Verify;
        let until = ends.min(Stage::Verify);
        let last = if self.dry_run { until.min(Stage::Push) } else { until };
        if first > last && !only_beside {
            return Err(Failure::usage(t!("cli.run.backwards", from = first, until = last)).into());
        }
        // A snapshot is pushed whole, and what goes into one is what was checked.
        if self.only.is_some() && first > Stage::Check {
            return Err(Failure::usage(t!("cli.run.only_unchecked", from = first)).into());
        }
        let command = "run".to_owned();
        Ok(Wanted {
            command,
            first,
            last,
            until,
            only_stages: only_beside.then(BTreeSet::new),
            beside: beside.collect(),
            own_steps: match only_beside {
                true => OwnSteps::Beside { with: self.with.clone() },
                false => OwnSteps::Run { with: self.with.clone(), from },
            },
            notify: true,
            only: self.only.clone(),
            confirm: self.confirm.clone(),
            without_rehearsal: self.without_rehearsal.clone(),
            dry_run: self.dry_run,
            full_refresh: self.full_refresh,
            allow_pending: self.allow_pending,
            incremental: self.load_type.is_incremental(),
            no_ai: self.no_ai,
            ..Wanted::stage(first)
        })
    }
}
