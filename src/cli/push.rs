use anyhow::Result;
use rust_i18n::t;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{self, Page, Table};
use super::pipeline::{self, Wanted};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::push::{Plan, Report, TablePlan};

/// Write a snapshot to PostgreSQL, all or nothing, with every row in the ledger
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// The snapshot (the beginning of its id); the latest where not given
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,
    /// Only print the plan; nothing is written or locked
    #[arg(long)]
    dry_run: bool,
    /// Refuse any plan but this one, that a dry run printed
    #[arg(long, value_name = "ID")]
    plan: Option<String>,
}

const EXAMPLES: &str = "Examples:
  trasvase push acme --dry-run
  trasvase push acme --target rehearsal
  trasvase push acme --target production --plan 3f2a";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let wanted = Wanted {
            snapshot: self.snapshot.clone(),
            dry_run: self.dry_run,
            plan: self.plan.clone(),
            ..Wanted::stage(Stage::Push)
        };
        pipeline::run_and_show(context, self.clinic.as_ref(), &wanted)
    }
}

pub(super) fn counts(report: &Report) -> Value {
    let sum = |of: fn(&crate::push::Written) -> u64| report.written.values().map(of).sum::<u64>();
    json!({
        "inserted": sum(|written| written.inserted),
        "updated": sum(|written| written.updated),
        "deleted": sum(|written| written.deleted),
        "unchanged": report.plan.tables.iter().map(|table| table.unchanged).sum::<u64>(),
        "batch": report.batch,
    })
}

pub(super) fn page(report: &Report) -> Page {
    let page = plan_page(&report.plan);
    let page =
        report.settled.iter().fold(page, |page, batch| page.line(t!("cli.push.settled", batch = batch)));
    match &report.batch {
        Some(batch) => page.line(t!("cli.push.done", batch = batch)),
        None if report.plan.writes() == 0 => page.line(t!("cli.push.nothing")),
        None => page.line(t!("cli.push.planned", plan = report.plan.id)),
    }
}

/// What the plan does to each table, what it rebuilds, whom it calls.
fn plan_page(plan: &Plan) -> Page {
    let mut table = Table::new([
        t!("cli.table"),
        t!("cli.push.mode"),
        t!("cli.push.insert"),
        t!("cli.push.update"),
        t!("cli.push.delete"),
        t!("cli.push.same"),
        t!("cli.push.kept"),
    ])
    .right(&[2, 3, 4, 5, 6])
    .optional(&[6, 4, 3]);
    let empty = |one: &&TablePlan| one.rows + one.rejected + one.deletes == 0;
    for one in plan.tables.iter().filter(|one| !empty(one)) {
        let counts = [one.inserts, one.updates, one.deletes, one.unchanged, one.kept].map(output::count);
        let mode = serde_json::to_value(one.mode).ok().and_then(|mode| mode.as_str().map(str::to_owned));
        table.row([one.table.to_string(), mode.unwrap_or_default()].into_iter().chain(counts));
    }
    let mut page = Page::new().table(table);
    for one in plan.tables.iter().filter(|one| one.updates > 0) {
        let columns =
            one.updates_by_column.iter().map(|(name, rows)| format!("{name} {}", output::count(*rows)));
        let columns = columns.collect::<Vec<_>>().join(", ");
        page = page.line(t!("cli.push.columns", table = one.table, columns = columns));
    }
    let without_rows = tables(plan, empty, |one| one.table.to_string());
    if !without_rows.is_empty() {
        let count = plan.tables.iter().filter(empty).count();
        page = page.line(t!("cli.push.without_rows", count = count, tables = without_rows));
    }
    let page = page.add(triggers(plan));
    let new_keys = tables(plan, |one| one.new_keys, |one| one.table.to_string());
    let page = if new_keys.is_empty() { page } else { page.line(t!("cli.push.new_keys", tables = new_keys)) };
    let rebuilt = plan.rebuild.create.len();
    if rebuilt > 0 { page.line(t!("cli.push.rebuilt", count = rebuilt)) } else { page }
}

/// Which triggers will run, which may change what is written, and which have.
fn triggers(plan: &Plan) -> Page {
    let name = |one: &TablePlan| one.table.to_string();
    let firing = |one: &TablePlan| format!("{} ({})", one.table, calls(one));
    let fire = tables(plan, |one| !one.firing.is_empty(), firing);
    let count = plan.tables.iter().map(|one| one.firing.len()).sum::<usize>();
    let rewriting = tables(plan, |one| !one.rewriting.is_empty(), name);
    let off = tables(plan, |one| one.triggers_disabled && !one.triggers.is_empty(), name);
    let count_left = |one: &TablePlan| format!("{} {}", one.table, output::count(one.left_by_triggers));
    let left = tables(plan, |one| one.left_by_triggers > 0, count_left);
    [
        (fire.is_empty(), t!("cli.push.triggers", count = count, triggers = fire)),
        (rewriting.is_empty(), t!("cli.push.rewriting", tables = rewriting)),
        (off.is_empty(), t!("cli.push.triggers_off", tables = off)),
        (left.is_empty(), t!("cli.push.left", tables = left)),
    ]
    .into_iter()
    .filter(|(empty, _)| !empty)
    .fold(Page::new(), |page, (_, text)| page.line(text))
}

/// A table's firing triggers, each with the function that it calls.
fn calls(one: &TablePlan) -> String {
    let firing = one.triggers.iter().filter(|(name, _)| one.firing.contains(name));
    firing.map(|(name, function)| format!("{name} → {function}")).collect::<Vec<_>>().join(", ")
}

/// Such tables of a plan, in its order, each as a text.
fn tables(plan: &Plan, wanted: impl Fn(&&TablePlan) -> bool, text: impl Fn(&TablePlan) -> String) -> String {
    plan.tables.iter().filter(wanted).map(text).collect::<Vec<_>>().join(", ")
}
