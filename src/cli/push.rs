use std::collections::BTreeMap;

use anyhow::Result;
use clap::builder::NonEmptyStringValueParser;
use rust_i18n::t;
use serde_json::{Value, json};

use super::context::Context;
use super::hints;
use super::output::{self, Page, Table};
use super::pipeline::{self, Wanted};
use super::verify::short;
use crate::config::LoadMode;
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg::batches;
use crate::push::{Plan, Report, TablePlan};
use crate::snapshot::Snapshot;

/// Write a snapshot to PostgreSQL, all or nothing, with every row in the ledger
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// The snapshot (the beginning of its id); the latest where not given
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,
    /// Empty the clinic's rows in every table and load them anew, in one transaction: mode replace for all tables
    #[arg(long)]
    full_refresh: bool,
    /// Only print the plan; nothing is written or locked
    #[arg(long)]
    dry_run: bool,
    /// Refuse any plan but this one, that a dry run printed
    #[arg(long, value_name = "ID")]
    plan: Option<String>,
    /// Push although more pairs of records wait for a decision than max_pending allows
    #[arg(long)]
    allow_pending: bool,
    /// What the ledger is to say of this batch, such as why it is pushed; no patient's data
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    notes: String,
    /// The clinic's name, in place of typing it: a push to production wants it, and --yes is not enough there
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Push to production what was not rehearsed, and why; the ledger keeps it
    #[arg(long, value_name = "WHY", value_parser = NonEmptyStringValueParser::new())]
    without_rehearsal: Option<String>,
}

const EXAMPLES: &str = "Examples:
  trasvase push acme --dry-run
  trasvase push acme --target rehearsal
  trasvase push acme --full-refresh --dry-run
  trasvase push acme --target production --plan 3f2a --confirm acme";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        self.of_models(context)?;
        let wanted = Wanted {
            snapshot: self.snapshot.clone(),
            dry_run: self.dry_run,
            full_refresh: self.full_refresh,
            allow_pending: self.allow_pending,
            notes: self.notes.clone(),
            plan: self.plan.clone(),
            confirm: self.confirm.clone(),
            without_rehearsal: self.without_rehearsal.clone(),
            ..Wanted::stage(Stage::Push)
        };
        pipeline::run_and_show(context, self.clinic.as_ref(), &wanted)
    }

    /// Refuses a snapshot of rows that `files` or `users` makes. What one that cannot be read is of, the stage will say.
    fn of_models(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(self.clinic.as_ref())?;
        let snapshots = project.snapshots_dir(&clinic.name);
        let named = self.snapshot.as_deref().map(|id| Snapshot::find(&snapshots, Some(id)));
        let Some(Ok(snapshot)) = named else { return Ok(()) };
        let what = t!("rollback.what_snapshot", snapshot = short(snapshot.id()));
        let origin = snapshot.manifest().origin.as_str();
        Ok(batches::refuse_made_anew(origin, &clinic.name, &what)?)
    }
}

pub(super) fn counts(report: &Report) -> Value {
    let sum = |of: fn(&crate::push::Written) -> u64| report.written.values().map(of).sum::<u64>();
    json!({
        "inserted": sum(|written| written.inserted),
        "updated": sum(|written| written.updated),
        "deleted": sum(|written| written.deleted),
        "adopted": sum(|written| written.adopted),
        "repointed": sum(|written| written.repointed),
        "retired": sum(|written| written.retired),
        "left_out": report.plan.tables.iter().map(TablePlan::left_out).sum::<u64>(),
        "unchanged": report.plan.tables.iter().map(|table| table.unchanged).sum::<u64>(),
        "batch": report.batch,
    })
}

pub(super) fn page(report: &Report, clinic: &ClinicName, target: Option<&str>) -> Page {
    let page = plan_page(&report.plan).add(standing(&report.plan, clinic, target));
    let page =
        report.settled.iter().fold(page, |page, batch| page.line(t!("cli.push.settled", batch = batch)));
    let page = if report.plan.noted { page.line(t!("push.noted")) } else { page };
    match &report.batch {
        Some(batch) => {
            let back = t!("rollback.way_back", clinic = clinic, batch = batch);
            page.line(t!("cli.push.done", batch = batch)).line(hints::complete(&back, Some(clinic), target))
        }
        None if report.plan.is_nothing() && stands(&report.plan) == 0 => page.line(t!("cli.push.nothing")),
        None if report.plan.is_nothing() => page.line(t!("cli.push.nothing_written")),
        None => page.line(t!("cli.push.planned", plan = report.plan.id)),
    }
}

/// How many rows are there that the snapshot does not make its own: with other values, or unknown to the ledger; or not there,
/// since people deleted them.
pub(super) fn stands(plan: &Plan) -> u64 {
    plan.tables.iter().map(|one| other_values(one) + left_unknown(one) + one.left_out()).sum()
}

/// Rows that the mode leaves with other values.
fn other_values(one: &TablePlan) -> u64 {
    one.kept - one.left_by_triggers
}

/// Rows that are equal and stay unknown to the ledger.
fn left_unknown(one: &TablePlan) -> u64 {
    one.unknown - one.adopted
}

/// So many keys are shown for a table.
const KEYS: usize = 20;

/// How many rows of a table are meant.
type Rows = fn(&TablePlan) -> u64;

/// The rows that stand as they are or are taken over, and what to write for another outcome.
pub(super) fn standing(plan: &Plan, clinic: &ClinicName, target: Option<&str>) -> Page {
    let kept = |one: &TablePlan| if one.mode == LoadMode::Insert { other_values(one) } else { 0 };
    let others = |one: &TablePlan| if one.mode == LoadMode::Replace { other_values(one) } else { 0 };
    let lines: [([&str; 2], Rows); 5] = [
        (["cli.push.rows_kept.one", "cli.push.rows_kept.many"], kept),
        (["cli.push.rows_others.one", "cli.push.rows_others.many"], others),
        (["cli.push.rows_unknown.one", "cli.push.rows_unknown.many"], left_unknown),
        (["cli.push.rows_adopted.one", "cli.push.rows_adopted.many"], |one| one.adopted),
        (["cli.push.rows_reclaimed.one", "cli.push.rows_reclaimed.many"], |one| one.reclaimed),
    ];
    lines.into_iter().fold(Page::new(), |page, ([one, many], rows)| {
        let all = plan.tables.iter().map(rows).sum::<u64>();
        if all == 0 {
            return page;
        }
        let by_table =
            tables(plan, |one| rows(one) > 0, |one| format!("{} {}", one.table, output::count(rows(one))));
        let key = if all == 1 { one } else { many };
        let text = t!(key, count = output::count(all), tables = by_table, clinic = clinic);
        page.line(hints::complete(&text, Some(clinic), target))
    })
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
    page = page.add(both_sides(plan, "push.vanished_unread"));
    let without_rows = tables(plan, empty, |one| one.table.to_string());
    if !without_rows.is_empty() {
        let count = plan.tables.iter().filter(empty).count();
        page = page.line(t!("cli.push.without_rows", count = count, tables = without_rows));
    }
    let page = page.add(golden(plan)).add(triggers(plan));
    let new_keys = tables(plan, |one| one.new_keys, |one| one.table.to_string());
    let page = if new_keys.is_empty() { page } else { page.line(t!("cli.push.new_keys", tables = new_keys)) };
    let rebuilt = plan.rebuild.create.len();
    if rebuilt > 0 { page.line(t!("cli.push.rebuilt", count = rebuilt)) } else { page }
}

/// What people changed since the last push, and what the source has no more, by table; `unread` tells of rows whose records
/// may be among those that nobody could read.
pub(super) fn both_sides(plan: &Plan, unread: &'static str) -> Page {
    type Edits = fn(&TablePlan) -> &BTreeMap<String, u64>;
    let edits: [(&str, Edits); 3] = [
        ("push.edits_overwritten", |one| &one.edits_overwritten),
        ("push.edits_kept", |one| &one.edits_kept),
        ("push.conflicts", |one| &one.conflicts),
    ];
    let mut page = Page::new();
    for one in &plan.tables {
        for (key, columns) in edits.iter().map(|(key, of)| (key, of(one))).filter(|(_, of)| !of.is_empty()) {
            let columns = columns.iter().map(|(name, values)| format!("{name} {}", output::count(*values)));
            let columns = columns.collect::<Vec<_>>().join(", ");
            page = page.line(t!(*key, table = one.table, columns = columns));
        }
        let rows: [(&str, u64); 9] = [
            ("push.deleted_returned", one.deleted_returned),
            ("push.deleted_kept", one.deleted_kept),
            ("push.deleted_conflicts", one.deleted_conflicts),
            ("push.without_parent", one.without_parent),
            ("push.without_parent_conflicts", one.without_parent_conflicts),
            ("push.vanished", one.vanished),
            ("push.vanished_kept", one.vanished_kept),
            ("push.vanished_conflicts", one.vanished_conflicts),
            (unread, one.vanished_unread),
        ];
        for (key, rows) in rows.into_iter().filter(|(_, rows)| *rows > 0) {
            page = page.line(t!(key, table = one.table, count = output::count(rows)));
        }
        if one.vanished_held > 0 {
            let holders = one.vanished_held_by.iter();
            let holders = holders.map(|(table, rows)| format!("{table} {}", output::count(*rows)));
            let holders = holders.collect::<Vec<_>>().join(", ");
            let count = output::count(one.vanished_held);
            page = page.line(t!("push.vanished_held", table = one.table, count = count, holders = holders));
        }
        let shown = one.vanished_keys.iter().take(KEYS).map(String::as_str).collect::<Vec<_>>().join(", ");
        if !shown.is_empty() {
            page = page.line(t!("push.vanished_keys", keys = shown));
        }
    }
    page
}

/// What changed golden ids do to each table.
fn golden(plan: &Plan) -> Page {
    if plan.golden.is_empty() {
        return Page::new();
    }
    let mut table =
        Table::new([t!("cli.push.golden"), t!("cli.push.repointed"), t!("cli.push.retired")]).right(&[1, 2]);
    for one in &plan.golden {
        table.row([one.table.to_string(), output::count(one.repointed), output::count(one.retired)]);
    }
    Page::new().line("").table(table)
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
