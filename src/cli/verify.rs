mod relations;
mod sample;
mod signoff;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Result;
use rust_i18n::t;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{self, Page, Table};
use super::pipeline;
use super::transform;
use crate::error::Failure;
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::verify::{ByBatch, Cause, ControlReport, DifferenceKind, Report, SourceReport, TableReport};

/// Prove that PostgreSQL holds the snapshot, value for value, and name what differs
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// The snapshot (the beginning of its id); the latest where not given
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,
    /// Show the values that differ; on a terminal only
    #[arg(long)]
    show_values: bool,
    /// Differing rows that are named per table
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    most: usize,
    /// Rows of each table, drawn by chance, to show side by side
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    sample: usize,
    /// Only rows that batches after this one wrote (the beginning of its id)
    #[arg(long, value_name = "BATCH")]
    since: Option<String>,
    /// Read the replica that READ_REPLICA_URL names in the target's place
    #[arg(long)]
    replica: bool,
    /// Write the statements that would repair the target; they hold patients' data and are not run
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "left out, given, and given with a file are three things")]
    fix_sql: Option<Option<PathBuf>>,
    /// Only whether what was signed off is what is there: files, snapshot, target; the last sign-off where none is named
    #[arg(long, value_name = "BATCH", num_args = 0..=1, require_equals = true,
          conflicts_with_all = ["snapshot", "sample", "since", "replica", "fix_sql"])]
    #[expect(clippy::option_option, reason = "left out, given, and given with a batch are three things")]
    signoff: Option<Option<String>>,
}

const EXAMPLES: &str = "Examples:
  trasvase verify acme
  trasvase verify acme --target production --replica
  trasvase verify acme --show-values --most 5 --sample 3
  trasvase verify acme --fix-sql=fix.sql
  trasvase verify acme --signoff";

/// What verify is asked for beside a snapshot and a target.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) sample: usize,
    pub(super) since: Option<String>,
    pub(super) replica: bool,
    /// Statements that would repair the target, and the file where one is named.
    #[expect(clippy::option_option, reason = "left out, given, and given with a file are three things")]
    pub(super) fixes: Option<Option<PathBuf>>,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        if self.show_values && !std::io::stdout().is_terminal() {
            return Err(Failure::usage(t!("cli.verify.values_on_terminal")).into());
        }
        if let Some(batch) = &self.signoff {
            return signoff::run(context, self.clinic.as_ref(), batch.as_deref());
        }
        let verify = Wanted {
            sample: self.sample,
            since: self.since.clone(),
            replica: self.replica,
            fixes: self.fix_sql.clone(),
        };
        let wanted = pipeline::Wanted {
            snapshot: self.snapshot.clone(),
            show_values: self.show_values,
            most: self.most,
            verify,
            ..pipeline::Wanted::stage(Stage::Verify)
        };
        pipeline::run_and_show(context, self.clinic.as_ref(), &wanted)
    }
}

pub(super) fn counts(report: &Report) -> Value {
    json!({
        "tables": report.tables.len(),
        "rows": report.tables.iter().map(|table| table.target).sum::<u64>(),
        "unequal": report.tables.iter().filter(|table| !table.equal && !table.stands()).count(),
        "broken": report.relations.iter().filter(|relation| !relation.holds()).count(),
        // A part of the rows says nothing of the whole, and a replica nothing of the target.
        "clean": report.is_clean() && report.since.is_none(),
    })
}

pub(super) fn page(report: &Report) -> Page {
    let page = about(report).table(tables(report)).table(sources(report)).add(left_behind(report));
    let page = page.table(figures(report)).add(relations::page(report)).add(differences(report));
    let page = page.add(sample::page(report));
    let compared = report.tables.iter().any(|table| table.expected + table.target > 0);
    match (&report.since, compared) {
        _ if !report.is_clean() => page,
        (None, _) => page.line(t!("cli.verify.clean")),
        (Some(since), true) => page.line(t!("cli.verify.clean_since", batch = since)),
        (Some(_), false) => page.line(t!("cli.verify.none_since")),
    }
}

/// What was compared, where that is not all of the target.
fn about(report: &Report) -> Page {
    let mut page = Page::new();
    if let Some(lag) = &report.replica {
        let seconds = format!("{:.1}", lag.seconds);
        page = page.line(t!("verify.replica", bytes = output::count(lag.bytes), seconds = seconds));
    }
    match &report.since {
        Some(batch) => page.line(t!("verify.since", batch = batch)),
        None => page,
    }
}

/// How many rows of a table differ in which way.
fn counts_of(table: &TableReport) -> Page {
    table.counts.iter().fold(Page::new(), |page, one| {
        let accepted = if one.accepted { format!(" ({})", t!("issues.accepted")) } else { String::new() };
        page.line(format!("  {}  {}{accepted}", output::count(one.rows), way(one.kind, one.cause)))
    })
}

fn way(kind: DifferenceKind, cause: Option<Cause>) -> String {
    match (kind, cause) {
        (DifferenceKind::Missing, Some(Cause::Deleted)) => t!("verify.way_deleted"),
        (DifferenceKind::Missing, Some(Cause::Stands)) => t!("verify.kind_missing_stands"),
        (DifferenceKind::Missing, Some(Cause::Conflict)) => t!("verify.kind_missing_conflict"),
        (DifferenceKind::Missing, Some(Cause::Overwritten)) => t!("verify.way_missing_overwritten"),
        (DifferenceKind::Missing, Some(Cause::TakenBack)) => t!("verify.way_missing_taken_back"),
        (DifferenceKind::Missing, _) => t!("verify.way_missing"),
        (DifferenceKind::Extra, Some(Cause::Edited)) => t!("verify.kind_extra_edited"),
        (DifferenceKind::Extra, Some(Cause::Overwritten)) => t!("verify.way_extra_overwritten"),
        (DifferenceKind::Extra, Some(Cause::TakenBack)) => t!("verify.kind_extra_taken_back"),
        (DifferenceKind::Extra, Some(Cause::Stands)) => t!("verify.kind_extra_stands"),
        (DifferenceKind::Extra, Some(Cause::Theirs)) => t!("verify.kind_extra_theirs"),
        (DifferenceKind::Extra, Some(Cause::Held)) => t!("verify.kind_extra_held"),
        (DifferenceKind::Extra, Some(Cause::Rejected)) => t!("verify.kind_extra_rejected"),
        (DifferenceKind::Extra, Some(Cause::Unread)) => t!("verify.kind_extra_unread"),
        (DifferenceKind::Extra, Some(Cause::Conflict)) => t!("verify.kind_extra_conflict"),
        (DifferenceKind::Extra, Some(Cause::Doubled)) => t!("verify.kind_extra_doubled"),
        (DifferenceKind::Kept, Some(Cause::Stands)) => t!("verify.way_stands"),
        (_, Some(Cause::Conflict)) => t!("verify.way_conflict"),
        (DifferenceKind::Extra, _) => t!("cli.verify.kind_extra"),
        (DifferenceKind::Different, Some(Cause::Overwritten)) => t!("verify.way_overwritten"),
        (DifferenceKind::Different, Some(Cause::TakenBack)) => t!("verify.way_taken_back"),
        (DifferenceKind::Kept, Some(Cause::TakenBack)) => t!("verify.way_kept_taken_back"),
        (DifferenceKind::Different, Some(Cause::Rewritten)) => t!("verify.way_rewritten"),
        (DifferenceKind::Different, Some(Cause::Edited)) => t!("verify.way_edited"),
        (DifferenceKind::Different, _) => t!("verify.way_unsent"),
        (DifferenceKind::Kept, _) => t!("cli.verify.kind_kept"),
    }
    .into_owned()
}

fn kind_text(kind: DifferenceKind, cause: Option<Cause>) -> String {
    match (kind, cause) {
        (DifferenceKind::Missing, Some(Cause::Deleted)) => t!("verify.kind_deleted"),
        (DifferenceKind::Missing, Some(Cause::Stands)) => t!("verify.kind_missing_stands"),
        (DifferenceKind::Missing, Some(Cause::Conflict)) => t!("verify.kind_missing_conflict"),
        (DifferenceKind::Missing, Some(Cause::Overwritten)) => t!("verify.kind_missing_overwritten"),
        (DifferenceKind::Missing, Some(Cause::TakenBack)) => t!("verify.kind_missing_taken_back"),
        (DifferenceKind::Missing, _) => t!("cli.verify.kind_missing"),
        (DifferenceKind::Extra, Some(Cause::Edited)) => t!("verify.kind_extra_edited"),
        (DifferenceKind::Extra, Some(Cause::Overwritten)) => t!("verify.kind_extra_overwritten"),
        (DifferenceKind::Extra, Some(Cause::TakenBack)) => t!("verify.kind_extra_taken_back"),
        (DifferenceKind::Extra, Some(Cause::Stands)) => t!("verify.kind_extra_stands"),
        (DifferenceKind::Extra, Some(Cause::Theirs)) => t!("verify.kind_extra_theirs"),
        (DifferenceKind::Extra, Some(Cause::Held)) => t!("verify.kind_extra_held"),
        (DifferenceKind::Extra, Some(Cause::Rejected)) => t!("verify.kind_extra_rejected"),
        (DifferenceKind::Extra, Some(Cause::Unread)) => t!("verify.kind_extra_unread"),
        (DifferenceKind::Extra, Some(Cause::Conflict)) => t!("verify.kind_extra_conflict"),
        (DifferenceKind::Extra, Some(Cause::Doubled)) => t!("verify.kind_extra_doubled"),
        (DifferenceKind::Kept, Some(Cause::Stands)) => t!("verify.kind_stands"),
        (_, Some(Cause::Conflict)) => t!("verify.kind_conflict"),
        (DifferenceKind::Extra, _) => t!("cli.verify.kind_extra"),
        (DifferenceKind::Different, Some(Cause::Overwritten)) => t!("verify.kind_overwritten"),
        (DifferenceKind::Different, Some(Cause::TakenBack)) => t!("verify.kind_taken_back"),
        (DifferenceKind::Kept, Some(Cause::TakenBack)) => t!("verify.kind_kept_taken_back"),
        (DifferenceKind::Different, Some(Cause::Rewritten)) => t!("cli.verify.kind_rewritten"),
        (DifferenceKind::Different, Some(Cause::Edited)) => t!("cli.verify.kind_edited"),
        (DifferenceKind::Different, _) => t!("cli.verify.kind_different"),
        (DifferenceKind::Kept, _) => t!("cli.verify.kind_kept"),
    }
    .into_owned()
}

fn tables(report: &Report) -> Table {
    let mut table = Table::new([
        t!("cli.table"),
        t!("cli.verify.source"),
        t!("cli.check.rejected"),
        t!("cli.verify.expected"),
        t!("cli.verify.target"),
        t!("cli.verify.difference"),
        t!("cli.verify.equal"),
    ])
    .right(&[1, 2, 3, 4, 5]);
    for one in &report.tables {
        let counts = [one.source, one.rejected, one.expected, one.target].map(output::count);
        let equal = if one.stands() { t!("verify.stands").into_owned() } else { yes_or_no(one.equal) };
        let rest = [one.difference.to_string(), equal];
        table.row([one.table.to_string()].into_iter().chain(counts).chain(rest));
    }
    table
}

/// Verdicts by source: does their sum hold?
fn sources(report: &Report) -> Table {
    let mut table = Table::new([
        t!("cli.load.source"),
        t!("cli.verify.read"),
        t!("cli.check.rejected"),
        t!("cli.verify.merged"),
        t!("cli.verify.imported"),
        t!("cli.verify.skipped"),
        t!("cli.verify.filtered"),
        t!("verify.left_out"),
        t!("cli.verify.complete"),
    ])
    .right(&[1, 2, 3, 4, 5, 6, 7])
    .optional(&[7, 5, 3, 6]);
    for one in &report.sources {
        let count = &one.count;
        let counts = [
            count.read,
            count.rejected,
            count.merged,
            count.imported,
            count.skipped,
            count.filtered,
            one.left_out,
        ];
        let name = [count.source.clone()].into_iter();
        table.row(name.chain(counts.map(output::count)).chain([whole(one)]));
    }
    table
}

/// Whether a source's sum holds; one that no model reads is not said to be whole.
fn whole(source: &SourceReport) -> String {
    if source.complete && !source.holds() {
        return t!("cli.verify.not_in_ledger").into_owned();
    }
    match (source.complete && source.count.unread, &source.unused) {
        (false, _) => yes_or_no(source.complete),
        (true, None) => t!("cli.verify.unread").into_owned(),
        (true, Some(_)) => t!("cli.verify.unused").into_owned(),
    }
}

/// What stays behind, and what to type about it.
fn left_behind(report: &Report) -> Page {
    let unread = report.sources.iter().filter(|source| source.count.unread);
    unread.fold(Page::new(), |page, one| {
        page.line(transform::left_behind(&one.count.source, one.count.read, one.unused.as_deref()))
    })
}

/// Control figures and both-sided queries: each that is unequal, and how many of each name are equal.
fn figures(report: &Report) -> Table {
    let mut table = Table::new([
        t!("cli.verify.figure"),
        t!("cli.verify.source"),
        t!("cli.check.rejected"),
        t!("cli.verify.target"),
        t!("cli.verify.equal"),
    ])
    .right(&[1, 2, 3]);
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "∅".to_owned());
    let mut equal: BTreeMap<&str, Vec<&ControlReport>> = BTreeMap::new();
    for one in &report.controls {
        if one.equal {
            equal.entry(&one.name).or_default().push(one);
        }
    }
    for (name, all) in equal {
        let cells = match all.as_slice() {
            [one] => [text(&one.source), one.rejected.clone().unwrap_or_default(), text(&one.target)],
            many => {
                let figures = t!("cli.verify.figures", count = output::count(many.len() as u64)).into_owned();
                [figures.clone(), String::new(), figures]
            }
        };
        table.row([name.to_owned()].into_iter().chain(cells).chain([yes_or_no(true)]));
    }
    for one in report.controls.iter().filter(|one| !one.equal) {
        let name = if one.key.is_empty() { one.name.clone() } else { format!("{} {}", one.name, one.key) };
        let rejected = one.rejected.clone().unwrap_or_default();
        table.row([name, text(&one.source), rejected, text(&one.target), yes_or_no(false)]);
    }
    for one in &report.queries {
        let rows = t!("cli.verify.rows_compared", count = output::count(one.rows as u64)).into_owned();
        let differing = match one.differing {
            0 => rows.clone(),
            count => t!("cli.verify.rows_differ", count = output::count(count as u64)).into_owned(),
        };
        table.row([one.name.clone(), rows, String::new(), differing, yes_or_no(one.equal)]);
    }
    table
}

fn differences(report: &Report) -> Page {
    let mut page = Page::new();
    for table in report.tables.iter().filter(|table| !table.differences.is_empty()) {
        page = page.line(t!("verify.ways", table = table.table)).add(counts_of(table));
        page = page.line(t!("cli.verify.rows_of", table = table.table));
        for one in &table.differences {
            let kind = kind_text(one.kind, one.cause);
            let columns = one.columns.iter().map(|column| match &column.values {
                None => column.column.clone(),
                Some(values) => {
                    let (expected, found) = (shown(&values.expected), shown(&values.found));
                    t!("cli.verify.values", column = column.column, expected = expected, found = found)
                        .into_owned()
                }
            });
            let columns = columns.collect::<Vec<_>>().join(", ");
            let columns = if columns.is_empty() { columns } else { format!(": {columns}") };
            page = page.line(format!("  {}  {kind}{columns}", one.key));
        }
        if table.not_listed > 0 {
            page = page.line(t!("cli.verify.not_listed", count = output::count(table.not_listed)));
        }
    }
    for one in by_batches(report) {
        let key = if one.taken_back { "verify.by_taken_back" } else { "verify.by_later" };
        let (at, snapshot) = (output::moment(&one.at), short(&one.snapshot));
        page = page.line(t!(key, batch = one.batch, at = at, snapshot = snapshot));
    }
    for table in &report.tables {
        if let Some(foreign) = table.foreign.filter(|foreign| *foreign > 0) {
            page = page.line(t!("cli.verify.foreign", table = table.table, count = output::count(foreign)));
        }
        if table.left > 0 {
            page = page.line(t!("verify.left", table = table.table, count = output::count(table.left)));
        }
    }
    page
}

/// The batches other than the snapshot's that made rows differ, the newest first.
pub(super) fn by_batches(report: &Report) -> Vec<&ByBatch> {
    let mut all: Vec<&ByBatch> = report.tables.iter().flat_map(|table| &table.by_batches).collect();
    all.sort_by(|one, other| other.batch.cmp(&one.batch));
    all.dedup();
    all
}

/// As much of a snapshot's id as people type.
pub(super) fn short(snapshot: &str) -> &str {
    snapshot.get(..12).unwrap_or(snapshot)
}

/// A value as it is, but for what would move a terminal's cursor; a text that looks like no value is quoted.
fn shown(value: &Option<String>) -> String {
    match value.as_deref() {
        None => "NULL".to_owned(),
        Some(text @ ("" | "NULL")) => format!("\"{text}\""),
        Some(text) => {
            let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
            text.chars().map(plain).collect()
        }
    }
}

fn yes_or_no(yes: bool) -> String {
    if yes { t!("cli.yes") } else { t!("cli.no") }.into_owned()
}
