//! `raw` and `map` to `clean`, `golden`, `xref` and `target`: the SQL in git is what runs, and only what changed is
//! rebuilt (DESIGN §2).
//!
//! The files are read into a graph (`discover`), bound over empty tables in memory (`bind`), compared with what
//! was built last ([`plan`]), and what differs is built (`build`). A fingerprint covers what a result is made of, but
//! not the order of rows: an aggregate or window whose result depends on order has to order by a total key, and is
//! refused without any (`order`).

mod bind;
mod build;
mod culprit;
mod discover;
mod fixes;
mod graph;
mod linked;
mod macros;
pub mod maps;
mod name;
mod order;
mod place;
mod plan;
mod problem;
mod token;
mod tree;
mod unread;
mod workbench;

use std::collections::BTreeSet;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

pub use build::ModelReport;
pub use fixes::{FixFault, FixReport};
pub use linked::LinkReport;
pub use plan::{Plan, Reason, Step};
pub(crate) use token::only_statement;
pub use unread::Unread;

use self::graph::Graph;
use self::macros::Macros;
use self::workbench::Workbench;
use crate::config::{Clinic, Ids, Project};
use crate::error::{Failure, Kind as FailureKind, interrupt};
use crate::model::run::Observer;
use crate::staging::{FUNCTIONS_REVISION, Staging};

/// What to transform.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub staging: &'a Staging,
    /// `clean.patient`, `clean.patient+` (and below), `+target.patient` (and above); empty for everything.
    pub select: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub built: Vec<ModelReport>,
    /// Selected models that were up to date.
    pub unchanged: usize,
    /// Tables whose model is gone.
    pub dropped: Vec<String>,
    /// Maps with values that they do not translate.
    pub unmapped: Vec<maps::MapReport>,
    /// Sources that no target reads.
    pub unread: Vec<Unread>,
    /// Entities whose duplicates are looked for.
    pub linked: Vec<LinkReport>,
    /// Corrections by hand, by file.
    pub fixes: Vec<FixReport>,
    /// Hash over the fingerprints of all models: equal hash, equal models over equal sources.
    pub output: String,
}

/// Everything that is read before anything is written.
struct Prepared {
    graph: Graph,
    macros: Macros,
    plan: Plan,
    map_uses: Vec<maps::MapUse>,
    /// What ghosts are made of.
    ghosts: BTreeSet<name::Name>,
}

/// Reads and binds all models and says what would be built and why. Writes nothing.
///
/// # Errors
/// Every fault of the files, with file, line and caret.
pub fn plan(options: &Options<'_>) -> Result<Plan> {
    Ok(prepare(options).map_err(interrupted)?.plan)
}

/// Builds what the plan says.
///
/// # Errors
/// As [`plan`], then the first model that fails; those before it stay built.
pub fn run(options: &Options<'_>, observer: &dyn Observer) -> Result<Report> {
    build_all(options, observer).map_err(interrupted)
}

/// Creates the macros in a staging file that has none yet, for whoever asks it before the first transform; those over tables that are not
/// there wait for it, and what is wrong with their files it tells.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn first_macros(project: &Project, clinic: &Clinic, staging: &Staging) -> Result<()> {
    if build::has_macros(staging)? {
        return Ok(());
    }
    let mut problems = Vec::new();
    let macros = Macros::read(project, clinic, &Workbench::new(clinic)?, &mut problems)?;
    if problems.is_empty() { build::first_macros(staging, &macros) } else { Ok(()) }
}

/// Ctrl-C makes DuckDB fail; people are told that they stopped it.
fn interrupted(error: anyhow::Error) -> anyhow::Error {
    let stopped =
        interrupt::requested() || error.chain().any(|cause| cause.to_string().contains("INTERRUPT Error"));
    if stopped { Failure::new(FailureKind::Interrupted, t!("error.interrupted")).into() } else { error }
}

fn build_all(options: &Options<'_>, observer: &dyn Observer) -> Result<Report> {
    let prepared = prepare(options)?;
    let built = build::apply(options, &prepared.graph, &prepared.macros, &prepared.plan, observer)?;
    let unchanged = prepared.plan.steps.len() - built.len();
    record_maps(options.staging, &prepared.map_uses, !built.is_empty())?;
    let mut unmapped = maps::list(options.staging, options.clinic)?;
    unmapped.retain(|map| map.unmapped_values > 0);
    let unread = unread::find(&prepared.graph, &prepared.ghosts, options)?;
    unread::record(options.staging, &unread)?;
    let fixes = fixes::record(options.staging, &prepared.graph)?;
    let output = build::output(options.staging)?;
    let linked = linked::reports(options, &prepared.graph)?;
    Ok(Report { linked, fixes, built, unchanged, dropped: prepared.plan.dropped, unmapped, unread, output })
}

/// What generated ids depend on beside their keys.
fn ids(clinic: &Clinic) -> String {
    let form = if clinic.ids == Ids::Ulid { "" } else { clinic.ids.function() };
    format!("{} {}{form}", clinic.uid, clinic.epoch)
}

/// Counts untranslated values where models were built or the headers or policies changed.
fn record_maps(staging: &Staging, uses: &[maps::MapUse], built: bool) -> Result<()> {
    if built || maps::recorded(staging)? != maps::wanted(uses) { maps::count(staging, uses) } else { Ok(()) }
}

fn prepare(options: &Options<'_>) -> Result<Prepared> {
    maps::shapes(options.staging, options.clinic)?;
    let workbench = Workbench::new(options.clinic)?;
    let mut problems = Vec::new();
    let macros = Macros::read(options.project, options.clinic, &workbench, &mut problems)?;
    let mut graph = discover::graph(
        options.project,
        options.clinic,
        options.staging,
        &workbench,
        &macros,
        &mut problems,
    )?;
    if problems.is_empty() {
        bind::bind(&mut graph, &macros, options, &workbench, &mut problems)?;
    }
    problems.extend(unread::contradictions(&graph, options.clinic));
    let mut map_uses = Vec::new();
    if problems.is_empty() {
        map_uses = maps::uses(&graph, options.clinic, &macros, &workbench, &mut problems)?;
    }
    if !problems.is_empty() {
        return Err(problem::failure(&problems).into());
    }
    let duckdb: String = options.staging.value("select version()")?;
    let engine = plan::Engine {
        version: format!("{duckdb} {FUNCTIONS_REVISION} {}", chrono_tz::IANA_TZDB_VERSION),
        ids: ids(options.clinic),
    };
    let built = build::last_builds(options.staging)?;
    let plan = plan::plan(&graph, &macros, &engine, &built, &options.select)?;
    let ghosts = unread::read_elsewhere(options.project, options.clinic, &workbench)?;
    Ok(Prepared { graph, macros, plan, map_uses, ghosts })
}
