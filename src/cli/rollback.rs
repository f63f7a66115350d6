use std::path::Path;

use anyhow::Result;
use rust_i18n::t;

use super::context::Context;
use super::hints;
use super::journal::Journal;
use super::output::{self, Page, Table};
use super::pipeline::Connection;
use super::progress::{Both, Progress};
use crate::config::{Clinic, Project};
use crate::error::Failure;
use crate::model::ident::{ClinicName, TableName};
use crate::model::run::{Event, Observer as _, Stage};
use crate::pg::Purpose;
use crate::pg::batches::Named as _;
use crate::rollback::{self, Batch, Edited, Options, Plan, Report, TablePlan, Which};
use crate::staging::{Access, Staging};

/// Take a batch back: every row as it was before it was pushed, all or nothing
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: ClinicName,
    /// The batch (its ULID or the beginning of it), or `last`
    batch: String,
    /// Only print the plan; nothing is written or locked
    #[arg(long)]
    dry_run: bool,
    /// Leave rows that people changed since or point at, and what these need
    #[arg(long, conflicts_with = "force")]
    keep_edited: bool,
    /// Take back also rows that people changed since; the ledger keeps what is overwritten
    #[arg(long)]
    force: bool,
    /// Take back also the later batches that were built on it, the newest first
    #[arg(long)]
    cascade: bool,
    /// Refuse any plan but this one, that a dry run printed
    #[arg(long, value_name = "ID")]
    plan: Option<String>,
    /// The clinic's name, in place of typing it; in production --yes is not enough
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Rows that are named for each conflict of a table
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    most: usize,
}

const EXAMPLES: &str = "Examples:
  trasvase rollback acme last --dry-run
  trasvase rollback acme 01JQY2VR --confirm acme
  trasvase rollback acme last --keep-edited";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(Some(&self.clinic))?;
        let purpose = if self.dry_run { Purpose::Read } else { Purpose::Write };
        let progress = Progress::new(context.global.log_level);
        let target = context.global.target.as_deref();
        let open = || Connection::open(&project, &clinic, target, purpose, Stage::Push, &progress);
        let connection = context.patiently(open)?;
        if self.dry_run {
            return self.show_plan(context, &connection, &clinic);
        }
        let journal = Journal::begin(&project, &clinic.name, "rollback")?;
        let result = self.agreed(context, &connection, &clinic).and_then(|plan| {
            let options = Options { expected_plan: plan, ..self.options(&connection, &clinic) };
            connection.block_on(rollback::run(&options))
        });
        let failure = result.as_ref().err().map(Failure::from_anyhow);
        if let Ok(report) = &result {
            let text = done(report);
            Both(&progress, &journal).event(&Event::Note { stage: Stage::Push, text: &text });
            forget(&project, &clinic, context, report);
        }
        journal.finish(failure.as_ref().map_or(0, |failure| failure.kind.exit_code()), failure.as_ref());
        let snapshots = project.snapshots_dir(&clinic.name);
        output::show(context.format(), &result?, |report| {
            page(report, &clinic.name, context.global.target.as_deref(), Some(&snapshots))
        })
    }

    fn options<'a>(&'a self, connection: &'a Connection, clinic: &'a Clinic) -> Options<'a> {
        Options {
            clinic,
            client: &connection.session.client,
            catalog: &connection.catalog,
            which: match self.cascade {
                true => Which::Cascade(&self.batch),
                false => Which::Only(&self.batch),
            },
            edited: edited(self.keep_edited, self.force),
            dry_run: false,
            expected_plan: self.plan.clone(),
            most: self.most,
        }
    }

    fn planned(&self, connection: &Connection, clinic: &Clinic) -> Result<Report> {
        let options = Options { dry_run: true, ..self.options(connection, clinic) };
        connection.block_on(rollback::run(&options))
    }

    /// The plan; one that would be refused ends with why.
    fn show_plan(&self, context: &Context, connection: &Connection, clinic: &Clinic) -> Result<()> {
        let report = self.planned(connection, clinic)?;
        output::show(context.format(), &report, |report| {
            page(report, &clinic.name, context.global.target.as_deref(), None)
        })?;
        Ok(rollback::nothing_in_the_way(&self.options(connection, clinic), &report.plan)?)
    }

    /// Shows the plan and asks for the clinic's name, unless that was given; gives the plan that was agreed to.
    fn agreed(&self, context: &Context, connection: &Connection, clinic: &Clinic) -> Result<Option<String>> {
        let (name, production) = (clinic.name.as_str(), connection.target.production);
        let given = self.confirm.as_deref();
        if given == Some(name) || given.is_none() && context.global.yes && !production {
            return Ok(self.plan.clone());
        }
        let report = self.planned(connection, clinic)?;
        output::status(&page(&report, &clinic.name, context.global.target.as_deref(), None).text());
        rollback::nothing_in_the_way(&self.options(connection, clinic), &report.plan)?;
        let question = t!(
            "rollback.question",
            rows = output::count(report.plan.writes()),
            target = connection.target.name
        );
        output::confirm_named(&question, name, given)?;
        Ok(Some(self.plan.clone().unwrap_or(report.plan.id)))
    }
}

/// What the two options, which exclude each other, say of rows that people changed.
pub(super) fn edited(keep: bool, force: bool) -> Edited {
    match (keep, force) {
        (true, _) => Edited::Keep,
        (_, true) => Edited::Force,
        _ => Edited::Refuse,
    }
}

/// The stages that brought what is gone are not done any more. The rows are back whatever comes of this.
pub(super) fn forget(project: &Project, clinic: &Clinic, context: &Context, report: &Report) {
    if !project.duckdb_path(&clinic.name).is_file() {
        return;
    }
    let forgotten = Staging::open(project, clinic, Access::Write, &context.limits())
        .and_then(|staging| forget_stages(&staging, report, &[Stage::Push, Stage::Verify]));
    if let Err(error) = forgotten {
        tracing::warn!(%error, "status still counts the push as done");
    }
}

/// Takes stages back in the books of the staging file, if the last push there is one that was taken back; so with commands
/// whose rows were.
pub(super) fn forget_stages(staging: &Staging, report: &Report, stages: &[Stage]) -> Result<()> {
    let rows = staging.stages()?;
    let pushed = rows.iter().find(|row| row.stage == Stage::Push);
    let batch = pushed.and_then(|row| row.counts["batch"].as_str());
    if batch.is_some_and(|batch| report.rolled_back.iter().any(|one| one == batch)) {
        for stage in stages {
            staging.restore_stage(*stage, None)?;
        }
    }
    for row in rows.iter().filter(|row| Stage::BESIDE.contains(&row.stage)) {
        let batches = row.counts["batches"].as_array().into_iter().flatten();
        if batches
            .flat_map(|batch| batch.as_str())
            .any(|batch| report.rolled_back.iter().any(|one| one == batch))
        {
            staging.restore_stage(row.stage, None)?;
        }
    }
    Ok(())
}

/// What was taken back, in a sentence.
pub(super) fn done(report: &Report) -> String {
    let batches = report.rolled_back.join(", ");
    let (rows, left) = (output::count(report.plan.writes()), report.plan.left());
    match left {
        0 => t!("rollback.done", batches = batches, rows = rows),
        left => t!("rollback.done_left", batches = batches, rows = rows, left = output::count(left)),
    }
    .into_owned()
}

/// `target` is as it was named, for the commands that are proposed; `snapshots` is where those
/// are that can be pushed again, where some may be gone.
pub(super) fn page(
    report: &Report,
    clinic: &ClinicName,
    target: Option<&str>,
    snapshots: Option<&Path>,
) -> Page {
    let plan = &report.plan;
    let mut page = Page::new();
    for batch in &plan.batches {
        let snapshot = batch.snapshot.get(..12).unwrap_or(&batch.snapshot);
        let text = t!("rollback.batch", batch = batch.id, at = batch.ended_at, snapshot = snapshot);
        page = page.line(text);
        if let Some((by, at)) = &batch.signed {
            page = page.line(t!("rollback.signed", batch = batch.id, by = by, at = output::moment(at)));
        }
    }
    let page = page.table(tables(plan)).table(conflicts(plan)).add(notes(plan));
    if report.rolled_back.is_empty() {
        return page.line(t!("rollback.planned", plan = plan.id));
    }
    let page = page.line(done(report)).line(t!("rollback.golden_stay"));
    let is_here = |batch: &Batch| {
        snapshots.is_none_or(|folder| folder.join(&batch.snapshot).join("manifest.json").is_file())
    };
    let mut again: Vec<String> = Vec::new();
    for batch in rollback::again(&plan.batches) {
        let text = match batch.origin() {
            // Objects and accounts may be gone, or go: their rows are made anew.
            "files" => t!("rollback.again_files", clinic = clinic),
            "users" => t!("rollback.again_users", clinic = clinic),
            _ if is_here(batch) => t!("rollback.redo", clinic = clinic, batch = batch.id),
            _ => t!("rollback.again_run", clinic = clinic, batch = batch.id),
        };
        let text = hints::complete(&text, Some(clinic), target);
        if !again.contains(&text) {
            again.push(text);
        }
    }
    again.into_iter().fold(page, Page::line)
}

fn tables(plan: &Plan) -> Table {
    let mut table = Table::new([
        t!("cli.table"),
        t!("rollback.deletes"),
        t!("rollback.updates"),
        t!("rollback.inserts"),
        t!("rollback.already_gone"),
        t!("rollback.left"),
    ])
    .right(&[1, 2, 3, 4, 5])
    .optional(&[5, 4, 3, 2]);
    for one in &plan.tables {
        let counts = [one.deletes, one.updates, one.inserts, one.gone, one.left()].map(output::count);
        table.row([one.table.to_string()].into_iter().chain(counts));
    }
    table
}

fn conflicts(plan: &Plan) -> Table {
    let mut table =
        Table::new([t!("cli.table"), t!("rollback.rows"), t!("rollback.why"), t!("rollback.keys")])
            .right(&[1]);
    for one in &plan.tables {
        for conflict in &one.conflicts {
            let more = conflict.rows.saturating_sub(conflict.keys.len() as u64);
            let more = if more > 0 { format!(", … +{}", output::count(more)) } else { String::new() };
            table.row([
                one.table.to_string(),
                output::count(conflict.rows),
                rollback::told(conflict).into_owned(),
                conflict.keys.join(", ") + &more,
            ]);
        }
    }
    table
}

/// What is emptied as a whole, whose triggers stay silent, and what triggers did elsewhere.
fn notes(plan: &Plan) -> Page {
    let names = |wanted: fn(&TablePlan) -> bool| {
        let tables = plan.tables.iter().filter(|table| wanted(table));
        tables.map(|table| table.table.to_string()).collect::<Vec<_>>().join(", ")
    };
    let emptied = names(|table| table.emptied);
    let silent = names(|table| !table.triggers.is_empty());
    let mut page = Page::new();
    if !emptied.is_empty() {
        page = page.line(t!("rollback.emptied", tables = emptied));
    }
    if !silent.is_empty() {
        page = page.line(t!("rollback.silent", tables = silent));
    }
    for one in &plan.others {
        page = page.line(t!("rollback.others", table = one.table, rows = output::count(one.rows)));
    }
    for one in &plan.elsewhere {
        let tables = one.writes.iter().map(TableName::to_string).collect::<Vec<_>>().join(", ");
        let (table, trigger, function) = (&one.table, &one.trigger, &one.function);
        let key = match (one.unknown, tables.is_empty()) {
            (true, true) => "rollback.elsewhere_unknown",
            (true, false) => "rollback.elsewhere_more",
            (false, _) => "rollback.elsewhere",
        };
        page = page.line(t!(key, table = table, trigger = trigger, function = function, tables = tables));
    }
    page
}
