//! Many clinics, one after the other, and what each of them took.

use std::time::Instant;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::context::Context;
use super::hints;
use super::output::{self, Page, Table};
use super::pipeline::{self, Done, Outcome, Report, Wanted};
use crate::config::{Clinic, Project};
use crate::error::{Failure, Kind, interrupt};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;

/// How a clinic's run ended, and what it took.
#[derive(Serialize)]
struct Ran {
    state: State,
    exit_code: u8,
    /// Why it stopped, or what was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Of its tables; where it came to none, of its sources.
    rows: u64,
    seconds: f64,
    rows_per_second: Option<f64>,
    /// The most memory that the process held; none where the system does not say.
    peak_bytes: Option<u64>,
    sources: Vec<Part>,
    tables: Vec<Part>,
    #[serde(flatten)]
    outcome: Outcome,
    #[serde(skip)]
    milliseconds: u64,
    /// What to type about a failure.
    #[serde(skip)]
    next: Option<String>,
}

/// A source, or a table of the target.
#[derive(Debug, Serialize)]
struct Part {
    name: String,
    rows: u64,
    /// In the stages that are about it; none where nothing had to be done.
    seconds: Option<f64>,
    rows_per_second: Option<f64>,
    /// The most memory that the process held while it was loaded; of a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_bytes: Option<u64>,
}

impl Part {
    fn new(name: String, rows: u64, seconds: Option<f64>, peak_bytes: Option<u64>) -> Self {
        let rows_per_second =
            seconds.filter(|seconds| *seconds > 0.0).map(|seconds| (rows as f64 / seconds).round());
        Self { name, rows, seconds, rows_per_second, peak_bytes }
    }
}

/// How a run ended. The worse is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Done,
    Findings,
    NotComparable,
    Failed,
    Interrupted,
}

/// Runs these clinics, tells each failure where it happens, and fails as the worst of them.
pub(super) fn run(context: &Context, wanted: &Wanted, names: &[ClinicName]) -> Result<()> {
    let project = context.project()?;
    let mut all = Vec::new();
    for name in names {
        if interrupt::requested() {
            break;
        }
        all.push(one(context, &project, name, wanted));
    }
    output::show(context.format(), all.as_slice(), page)?;
    interrupt::check()?;
    failure(&all).map_or(Ok(()), |failure| Err(failure.into()))
}

fn one(context: &Context, project: &Project, name: &ClinicName, wanted: &Wanted) -> Ran {
    let started = Instant::now();
    let ran = Clinic::read(project, name).and_then(|clinic| pipeline::run(context, project, &clinic, wanted));
    let mut outcome = ran.unwrap_or_else(|error| Outcome::failed(name, error));
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let failure = outcome.failure.take().map(|error| Failure::from_anyhow(&error));
    let next = failure.as_ref().map(|failure| {
        let stage = stage_to_go_on(&outcome, wanted);
        next_command(failure, name, stage, context.global.target.as_deref())
    });
    let state = failure.as_ref().map_or(State::Done, |failure| State::of(failure.kind));
    let message = failure.as_ref().map(|failure| failure.message.clone());
    if let Some(failure) = failure {
        let told = Failure { message: format!("{name}: {}", failure.message), ..failure };
        output::failure(&told, context.format());
    }
    let (sources, tables) = (sources(&outcome), tables(&outcome));
    let counted = if tables.is_empty() { &sources } else { &tables };
    let rows = counted.iter().map(|part| part.rows).sum();
    Ran {
        state,
        exit_code: state.kind().map_or(0, Kind::exit_code),
        message,
        rows,
        seconds: seconds(milliseconds),
        rows_per_second: (milliseconds > 0).then(|| (rows as f64 / seconds(milliseconds)).round()),
        peak_bytes: outcome.stages.iter().filter_map(|done| done.peak_bytes).max(),
        sources,
        tables,
        outcome,
        milliseconds,
        next,
    }
}

/// Where a run of it goes on.
fn stage_to_go_on(outcome: &Outcome, wanted: &Wanted) -> Stage {
    let left = |stage: &Stage| outcome.stages.iter().all(|done| done.stage != *stage);
    let mut stages = Stage::ALL.into_iter().filter(|stage| *stage >= wanted.first);
    stages.find(left).unwrap_or(wanted.last)
}

/// What to type about a clinic that failed: the command that its failure proposes, else to go on with the stage.
fn next_command(failure: &Failure, clinic: &ClinicName, stage: Stage, target: Option<&str>) -> String {
    if let Some(command) = failure.hints.iter().find(|hint| hint.starts_with("trasvase ")) {
        return command.clone();
    }
    let from = if stage == Stage::Load { String::new() } else { format!(" --from {stage}") };
    hints::complete(&format!("trasvase run {clinic}{from}"), Some(clinic), target)
}

fn sources(outcome: &Outcome) -> Vec<Part> {
    let sources = outcome.stages.iter().find_map(|done| match &done.report {
        Report::Load(report) => Some((done, &report.sources)),
        _ => None,
    });
    let Some((done, sources)) = sources else { return Vec::new() };
    let part = |source: &crate::load::SourceReport| {
        let peak = done.took.iter().filter(|one| one.subject == source.name).find_map(|one| one.peak_bytes);
        let seconds = time([done].into_iter(), &source.name, &source.name);
        Part::new(source.name.clone(), source.rows, seconds, peak)
    };
    sources.iter().map(part).collect()
}

/// The tables as the last stage counted them that counts all.
fn tables(outcome: &Outcome) -> Vec<Part> {
    let counted = outcome.stages.iter().rev().find_map(|done| rows_by_table(&done.report));
    let part = |(name, rows): (String, u64)| {
        let stages = outcome.stages.iter().filter(|done| done.stage > Stage::Load);
        let seconds = time(stages, &name, &format!("target.{name}"));
        Part::new(name, rows, seconds, None)
    };
    counted.into_iter().flatten().map(part).collect()
}

fn rows_by_table(report: &Report) -> Option<Vec<(String, u64)>> {
    Some(match report {
        Report::Load(_) | Report::Transform(_) => return None,
        Report::Check(report) => report.tables.iter().map(|one| (one.table.to_string(), one.rows)).collect(),
        Report::Export(report) => report.tables.iter().map(|one| (one.table.to_string(), one.rows)).collect(),
        Report::Push(report) => {
            report.plan.tables.iter().map(|one| (one.table.to_string(), one.rows)).collect()
        }
        Report::Verify(report) => {
            report.tables.iter().map(|one| (one.table.to_string(), one.expected)).collect()
        }
    })
}

/// What the stages took for a subject, or for the model of this name.
fn time<'a>(stages: impl Iterator<Item = &'a Done>, subject: &str, model: &str) -> Option<f64> {
    let took = stages.flat_map(|done| &done.took);
    let of_it = took.filter(|one| one.subject == subject || one.subject == model);
    of_it.map(|one| one.milliseconds).reduce(|sum, one| sum + one).map(seconds)
}

fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// What people read of each clinic, and in the end one table of all.
fn page(all: &[Ran]) -> Page {
    let mut table = Table::new([
        t!("cli.run.clinic"),
        t!("cli.status.state"),
        t!("cli.rows"),
        t!("cli.log.took"),
        t!("cli.run.rows_a_second"),
        t!("cli.run.peak"),
    ])
    .right(&[2, 3, 4, 5]);
    for ran in all {
        table.row([
            ran.outcome.clinic.to_string(),
            ran.state.label(),
            output::count(ran.rows),
            output::duration(ran.milliseconds),
            output::speed(ran.rows, ran.milliseconds),
            ran.peak_bytes.map_or_else(|| "–".to_owned(), output::size),
        ]);
    }
    let begun = all.iter().filter(|ran| !ran.outcome.run.is_empty());
    begun
        .fold(Page::new(), |page, ran| page.add(ran.outcome.page(true)).table(loaded(ran)).line(""))
        .table(table)
}

/// What each source took that was loaded.
fn loaded(ran: &Ran) -> Table {
    let mut table = Table::new([
        t!("cli.load.source"),
        t!("cli.rows"),
        t!("cli.log.took"),
        t!("cli.run.rows_a_second"),
        t!("cli.run.peak"),
    ])
    .right(&[1, 2, 3, 4]);
    for part in &ran.sources {
        let Some(seconds) = part.seconds else { continue };
        let milliseconds = (seconds * 1000.0) as u64;
        table.row([
            part.name.clone(),
            output::count(part.rows),
            output::duration(milliseconds),
            output::speed(part.rows, milliseconds),
            part.peak_bytes.map_or_else(|| "–".to_owned(), output::size),
        ]);
    }
    table
}

/// The failure of all: what was worst, and what to type about each.
fn failure(all: &[Ran]) -> Option<Failure> {
    let kind = all.iter().map(|ran| ran.state).max()?.kind()?;
    let bad = || all.iter().filter(|ran| ran.state != State::Done);
    let names = bad().map(|ran| ran.outcome.clinic.as_str()).collect::<Vec<_>>().join(", ");
    let text = t!("cli.run.some_failed", count = bad().count(), all = all.len(), names = names);
    Some(bad().filter_map(|ran| ran.next.clone()).fold(Failure::new(kind, text), Failure::hint))
}

impl State {
    /// A clinic.toml that is wrong fails its clinic; the command itself was typed well.
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Failed | Kind::Usage => State::Failed,
            Kind::Findings => State::Findings,
            Kind::NotComparable => State::NotComparable,
            Kind::Interrupted => State::Interrupted,
        }
    }

    fn kind(self) -> Option<Kind> {
        match self {
            State::Done => None,
            State::Findings => Some(Kind::Findings),
            State::NotComparable => Some(Kind::NotComparable),
            State::Failed => Some(Kind::Failed),
            State::Interrupted => Some(Kind::Interrupted),
        }
    }

    fn label(self) -> String {
        match self {
            State::Done => t!("cli.run.state.done"),
            State::Findings => t!("cli.run.state.findings"),
            State::NotComparable => t!("cli.run.state.not_comparable"),
            State::Failed => t!("cli.run.state.failed"),
            State::Interrupted => t!("cli.run.state.interrupted"),
        }
        .into_owned()
    }
}
