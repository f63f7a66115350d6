use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::context::Context;
use super::output::{self, Page, Table};
use super::pipeline::{self, OwnSteps, Rehearsing, Wanted};
use crate::error::Failure;
use crate::model::ident::ClinicName;
use crate::model::lock::Waits;
use crate::model::run::Stage;
use crate::pg::scratch::Why;
use crate::rehearse::{self, Change, Comparison, Forecast, Place, Rehearsal, Span};
use crate::staging::{Access, Staging};

/// Rehearse the night: the whole run against a copy of the target, or in it and taken back
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// Begin with this stage
    #[arg(long, value_name = "STAGE")]
    from: Option<Stage>,
    /// Copy every row of the target, not only those that the push needs
    #[arg(long)]
    with_data: bool,
    /// Push in the target itself, in a transaction that is rolled back: it locks as a push does
    #[arg(long, conflicts_with_all = ["with_data", "keep"])]
    in_place: bool,
    /// Do not drop the copy in the end
    #[arg(long)]
    keep: bool,
    /// Push although more pairs of records wait for a decision than max_pending allows
    #[arg(long)]
    allow_pending: bool,
    /// The clinic's name, in place of typing it: --in-place wants it in production
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Only compare the rehearsals there were, and forecast the night
    #[arg(long, conflicts_with_all = ["from", "with_data", "in_place", "keep", "allow_pending", "confirm"])]
    list: bool,
}

const EXAMPLES: &str = "Examples:
  trasvase rehearse acme --target production
  trasvase rehearse acme --target production --from push --in-place --confirm acme
  trasvase rehearse acme --list";

/// So many changes are told of each kind.
const SHOWN: usize = 12;

/// A rehearsal beside the one before it, and what they foretell.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    pub(super) rehearsal: Rehearsal,
    pub(super) comparison: Option<Comparison>,
    pub(super) forecast: Option<Forecast>,
}

/// All rehearsals, the latest first.
#[derive(Debug, Serialize)]
struct List {
    rehearsals: Vec<Listed>,
    forecast: Option<Forecast>,
}

#[derive(Debug, Serialize)]
struct Listed {
    #[serde(flatten)]
    rehearsal: Rehearsal,
    comparison: Option<Comparison>,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        if self.list {
            return self.show_list(context);
        }
        let first = self.from.unwrap_or(Stage::Load);
        if first > Stage::Push {
            return Err(Failure::usage(t!("cli.run.backwards", from = first, until = Stage::Push)).into());
        }
        let rehearsing = match self.in_place {
            true => Rehearsing::InPlace,
            false => Rehearsing::Scratch { all_rows: self.with_data, keep: self.keep },
        };
        let wanted = Wanted {
            command: "rehearse".to_owned(),
            last: Stage::Verify,
            confirm: self.confirm.clone(),
            allow_pending: self.allow_pending,
            rehearsing: Some(rehearsing),
            own_steps: OwnSteps::Run { with: Vec::new(), from: None },
            ..Wanted::stage(first)
        };
        pipeline::run_and_show(context, self.clinic.as_ref(), &wanted)
    }

    fn show_list(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(self.clinic.as_ref())?;
        let staging = Staging::open(&project, &clinic, Access::ReadOnly, &context.limits())?;
        let all = rehearse::all(&staging)?;
        let comparison =
            |one: &Rehearsal| rehearse::previous(&all, one).map(|previous| rehearse::compare(previous, one));
        let listed = all.iter().map(|one| Listed { rehearsal: one.clone(), comparison: comparison(one) });
        let list = List { rehearsals: listed.collect(), forecast: rehearse::forecast(&all) };
        output::show(context.format(), &list, list_page)
    }
}

fn list_page(list: &List) -> Page {
    if list.rehearsals.is_empty() {
        return Page::new().line(t!("rehearse.none"));
    }
    let mut table = Table::new([
        t!("rehearse.at"),
        t!("rehearse.where"),
        t!("rehearse.snapshot"),
        t!("cli.rows"),
        t!("rehearse.rejected"),
        t!("cli.log.took"),
        t!("rehearse.outcome"),
    ])
    .right(&[3, 4, 5])
    .optional(&[2]);
    for Listed { rehearsal, .. } in &list.rehearsals {
        table.row([
            output::moment(&rehearsal.at),
            format!("{} ({})", rehearsal.target, place(rehearsal.place)),
            short(&rehearsal.snapshot).to_owned(),
            output::count(rehearsal.total("rows")),
            output::count(rehearsal.total("rejected")),
            output::duration(rehearsal.milliseconds()),
            outcome(rehearsal),
        ]);
    }
    let page = Page::new().table(table);
    let page = list.rehearsals.iter().fold(page, |page, one| match &one.comparison {
        Some(comparison) => page.add(comparison_page(comparison, &one.rehearsal.at)),
        None => page,
    });
    page.add(forecast_page(list.forecast.as_ref(), list.rehearsals.first().map(|one| &one.rehearsal)))
}

/// What a rehearsal came to, after what its stages said.
pub(super) fn page(answer: &Answer) -> Page {
    let rehearsal = &answer.rehearsal;
    let page = Page::new().line("").add(scene_page(rehearsal));
    let page = match &answer.comparison {
        Some(comparison) => page.add(comparison_page(comparison, &rehearsal.at)),
        None => page,
    };
    let page = page.add(forecast_page(answer.forecast.as_ref(), Some(rehearsal)));
    let snapshot = short(&rehearsal.snapshot);
    match &rehearsal.why {
        None => page.line("").line(t!("rehearse.clean", snapshot = snapshot, target = rehearsal.target)),
        Some(why) => page.line("").line(t!("rehearse.not_clean", snapshot = snapshot, why = why)),
    }
}

/// What was copied, or what stayed.
fn scene_page(rehearsal: &Rehearsal) -> Page {
    let scene = &rehearsal.scene;
    let mut table = Table::new([t!("rehearse.copied"), t!("cli.rows"), t!("rehearse.why")]).right(&[1]);
    for copied in scene.copied.iter().filter(|copied| copied.why != Why::Ledger) {
        table.row([copied.table.to_string(), output::count(copied.rows), why(copied.why).into_owned()]);
    }
    let page = Page::new().table(table);
    let page = match &scene.kept {
        Some(name) => page.line(t!("rehearse.kept", name = name)),
        None => page,
    };
    let moved = scene.moved.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match moved.is_empty() {
        true => page,
        false => page.line(t!("rehearse.moved", sequences = moved)),
    }
}

fn comparison_page(comparison: &Comparison, now: &str) -> Page {
    let (at, now) = (output::moment(&comparison.at), output::moment(now));
    let page = Page::new();
    if comparison.changes.is_empty() {
        return page.line(t!("rehearse.same", now = now, at = at));
    }
    let mut table = Table::new([
        t!("rehearse.changed", now = now, at = at),
        t!("rehearse.count"),
        t!("rehearse.before"),
        t!("rehearse.now"),
    ])
    .right(&[2, 3]);
    for change in comparison.changes.iter().take(SHOWN) {
        let (before, now) = (output::count(change.before), output::count(change.now));
        table.row([name(change), change.count.clone(), before, now]);
    }
    let more = comparison.changes.len().saturating_sub(SHOWN);
    let page = page.table(table);
    if more > 0 { page.line(t!("rehearse.more", count = output::count(more as u64))) } else { page }
}

fn name(change: &Change) -> String {
    match change.of {
        "source" => t!("rehearse.source", name = change.name).into_owned(),
        "rejects" => t!("rehearse.rejects", name = change.name).into_owned(),
        _ => change.name.clone(),
    }
}

/// The forecast, and what it cannot know.
fn forecast_page(forecast: Option<&Forecast>, latest: Option<&Rehearsal>) -> Page {
    let (Some(forecast), Some(latest)) = (forecast, latest) else { return Page::new() };
    let mut table = Table::new([
        t!("rehearse.night"),
        t!("cli.rows"),
        t!("rehearse.expected"),
        t!("rehearse.range"),
        t!("rehearse.by"),
    ])
    .right(&[1, 2, 3, 4])
    .optional(&[4]);
    for stage in &forecast.stages {
        table.row([
            stage.stage.to_string(),
            output::count(stage.rows),
            output::duration(stage.span.milliseconds),
            range(&stage.span),
            stage.by.to_string(),
        ]);
    }
    let total = &forecast.total;
    table.row([
        t!("rehearse.total").into_owned(),
        String::new(),
        output::duration(total.milliseconds),
        range(total),
        String::new(),
    ]);
    Page::new().table(table).add(locks_page(forecast)).add(honest(latest))
}

fn locks_page(forecast: &Forecast) -> Page {
    // One row a mode, the strongest first: most tables are locked alike.
    let mut modes: BTreeMap<(Reverse<Waits>, &str), Vec<String>> = BTreeMap::new();
    for one in forecast.locks.iter().filter(|one| one.waits != Waits::Nobody) {
        let mode = (Reverse(one.waits), one.lock.mode.as_str());
        modes.entry(mode).or_default().push(one.lock.table.to_string());
    }
    let mut table = Table::new([t!("rehearse.mode"), t!("rehearse.waits"), t!("rehearse.locked")]);
    for ((Reverse(who), mode), tables) in modes {
        table.row([mode.to_owned(), waits(who).into_owned(), tables.join(", ")]);
    }
    let free = forecast.locks.iter().all(|one| one.waits == Waits::Nobody);
    let page = Page::new().table(table);
    match &forecast.locked {
        Some(_) if free => page.line(t!("rehearse.nobody_waits")),
        Some(span) => page.line(t!("rehearse.for_how_long", most = output::duration(span.most))),
        None => page,
    }
}

/// What the place of a rehearsal cannot tell of the target.
fn honest(latest: &Rehearsal) -> Page {
    let page = Page::new();
    let page = match (latest.place, &latest.scene.round_trips) {
        (Place::Scratch, Some(trips)) => {
            let milliseconds = |micros: u64| format!("{}.{} ms", micros / 1000, micros % 1000 / 100);
            let (there, here) = (milliseconds(trips.target), milliseconds(trips.place));
            page.line(t!("rehearse.network", target = latest.target, there = there, here = here))
        }
        _ => page,
    };
    match latest.place {
        Place::Scratch => page.line(t!("rehearse.unknown_scratch")),
        Place::InPlace => page.line(t!("rehearse.unknown_in_place")),
        Place::Target => page.line(t!("rehearse.unknown_target", target = latest.target)),
    }
}

fn range(span: &Span) -> String {
    format!("{} – {}", output::duration(span.least), output::duration(span.most))
}

fn outcome(rehearsal: &Rehearsal) -> String {
    match rehearsal.clean {
        true => t!("rehearse.is_clean").into_owned(),
        false => why_not(rehearsal).unwrap_or_else(|| t!("rehearse.is_not_clean").into_owned()),
    }
}

/// Why a rehearsal was not clean. Its sentence is in the language of its run: whoever reads another one is told what was counted.
pub(super) fn why_not(rehearsal: &Rehearsal) -> Option<String> {
    let why = rehearsal.why.clone()?;
    let foreign = rehearsal.language.as_deref().is_some_and(|language| language != &*rust_i18n::locale());
    let Some(stage) = rehearsal.came_to.filter(|_| foreign) else { return Some(why) };
    Some(match rehearsal.total("unequal") {
        0 => t!("rehearse.stopped", stage = stage).into_owned(),
        rows => t!("rehearse.stopped_unequal", stage = stage, rows = output::count(rows)).into_owned(),
    })
}

fn place(place: Place) -> std::borrow::Cow<'static, str> {
    match place {
        Place::Scratch => t!("rehearse.scratch"),
        Place::InPlace => t!("rehearse.in_place"),
        Place::Target => t!("rehearse.on_target"),
    }
}

fn why(why: Why) -> std::borrow::Cow<'static, str> {
    match why {
        Why::All => t!("rehearse.why_all"),
        Why::Ledger => t!("rehearse.why_ledger"),
        Why::Ours => t!("rehearse.why_ours"),
        Why::Reference => t!("rehearse.why_reference"),
    }
}

fn waits(waits: Waits) -> std::borrow::Cow<'static, str> {
    match waits {
        Waits::Nobody => t!("rehearse.nobody"),
        Waits::Writes => t!("rehearse.writes"),
        Waits::ReadsAndWrites => t!("rehearse.reads_and_writes"),
    }
}

fn short(snapshot: &str) -> &str {
    snapshot.get(..12).unwrap_or(snapshot)
}
