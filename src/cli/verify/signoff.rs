//! `verify --signoff`: whether what was signed is what is there.

use anyhow::Result;
use rust_i18n::t;

use crate::cli::context::Context;
use crate::cli::output::{self, Page, Table};
use crate::cli::pipeline::{Connection, held, prove};
use crate::cli::progress::Progress;
use crate::config::{Clinic, Project};
use crate::error::{Failure, Kind};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg::Purpose;
use crate::pg::batches::{self, Batch};
use crate::purge;
use crate::signoff::{self, Here, Line, Report, State, Target, What};
use crate::snapshot::Snapshot;

pub(super) fn run(context: &Context, clinic: Option<&ClinicName>, batch: Option<&str>) -> Result<()> {
    let (project, clinic) = context.clinic(clinic)?;
    let (target, progress) = (context.global.target.as_deref(), Progress::new(context.global.log_level));
    let connection = Connection::open(&project, &clinic, target, Purpose::Read, Stage::Verify, &progress)?;
    let client = &connection.session.client;
    let batches = connection.block_on(batches::list(client, &clinic.name))?;
    let batch = chosen(&project, &clinic, &batches, batch)?;
    let here = Here {
        project: &project,
        clinic: &clinic,
        batch,
        batches: &batches,
        purged: purge::destroyed(&project, &clinic)?,
        recorded: connection.block_on(signoff::read(client, batch))?,
        target: held_there(context, (&project, &clinic), &connection, batch),
    };
    let report = signoff::check(&here)?.ok_or_else(|| none(&clinic.name))?;
    output::show(context.format(), &report, page)?;
    match (report.broken(), report.unsure()) {
        (true, _) => Err(Failure::findings(t!("signoff.broken")).into()),
        (false, true) => Err(Failure::new(Kind::NotComparable, t!("signoff.unsure")).into()),
        (false, false) => Ok(()),
    }
}

/// The batch that is named, else the last one that was signed off.
fn chosen<'b>(
    project: &Project,
    clinic: &Clinic,
    batches: &'b [Batch],
    wanted: Option<&str>,
) -> Result<&'b Batch> {
    if let Some(wanted) = wanted {
        return Ok(batches::named(batches, &clinic.name, wanted)?);
    }
    let signed =
        |batch: &&Batch| batch.signed.is_some() || signoff::path(project, clinic, &batch.id).is_file();
    batches.iter().rev().find(signed).ok_or_else(|| none(&clinic.name).into())
}

fn none(clinic: &ClinicName) -> Failure {
    Failure::usage(t!("signoff.nothing", clinic = clinic))
        .hint(format!("trasvase signoff {clinic} last --by …"))
}

/// What the target holds now; why that cannot be said is told beside the rest.
fn held_there(
    context: &Context,
    (project, clinic): (&Project, &Clinic),
    connection: &Connection,
    batch: &Batch,
) -> Result<Target, String> {
    let folder = project.snapshots_dir(&clinic.name).join(&batch.snapshot);
    let copy = signoff::manifest_path(project, clinic, &batch.id);
    let found = match folder.is_dir() || !copy.is_file() {
        true => Snapshot::open(&folder).and_then(|snapshot| {
            let progress = Progress::new(context.global.log_level);
            prove(context, (project, clinic), connection, &snapshot, 0, &progress).map(Target::Proven)
        }),
        false => Snapshot::of_manifest(&copy)
            .and_then(|snapshot| match snapshot.id() == batch.snapshot {
                true => Ok(snapshot),
                false => anyhow::bail!(t!("signoff.other_manifest", path = copy.display())),
            })
            .and_then(|snapshot| held(context, (project, clinic), connection, &snapshot).map(Target::Held)),
    };
    found.map_err(|error| Failure::from_anyhow(&error).message)
}

fn page(report: &Report) -> Page {
    let (by, at) = (&report.by, output::moment(&report.at));
    let mut page = Page::new().line(t!("signoff.of", batch = report.batch, by = by, at = at));
    let mut table = Table::new([t!("signoff.what"), t!("signoff.name"), t!("signoff.state")]);
    for one in &report.lines {
        table.row([what(one.what), one.name.clone(), state(one)]);
    }
    page = page.table(table);
    page = report.later.iter().fold(page, |page, batch| page.line(t!("signoff.later", batch = batch)));
    page = report.not_compared.iter().fold(page, |page, why| page.line(t!("signoff.why", why = why)));
    match report.broken() || report.unsure() {
        true => page,
        false => page.line(t!("signoff.holds_all")),
    }
}

fn what(what: What) -> String {
    match what {
        What::Seal => t!("signoff.what_seal"),
        What::Ledger => t!("signoff.what_ledger"),
        What::Batch => t!("signoff.what_batch"),
        What::Snapshot => t!("signoff.what_snapshot"),
        What::Source => t!("signoff.what_source"),
        What::Report => t!("signoff.what_report"),
        What::Table => t!("signoff.what_table"),
    }
    .into_owned()
}

fn state(line: &Line) -> String {
    let rows = output::count(line.rows.unwrap_or_default());
    match line.state {
        State::Holds => t!("signoff.holds"),
        State::Changed if line.rows.is_some() => t!("signoff.changed_rows", rows = rows),
        State::Changed => t!("signoff.changed"),
        State::Gone => t!("signoff.gone"),
        State::Unknown => t!("signoff.unknown"),
        State::RolledBack => t!("signoff.rolled_back"),
        State::Edited => t!("signoff.edited", rows = rows),
        State::Later => t!("signoff.written_since", rows = rows),
        State::Purged => t!("signoff.purged"),
        State::NotCompared => t!("signoff.not_compared"),
    }
    .into_owned()
}
