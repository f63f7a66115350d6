//! Accounts that are disabled, enabled again or removed.

use anyhow::Result;
use rust_i18n::t;
use serde_json::json;

use super::{Arguments, Desk};
use crate::cli::output::{self, Page};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg::{Purpose, Target};
use crate::staging::{Access, StageRow, Staging};
use crate::users::back::{self, End};

/// Whose accounts.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    Batch(&'a str),
    /// Those who work there no more, or those who do.
    People,
}

impl Arguments {
    /// Does it, after a yes.
    pub(super) fn end(&self, desk: &Desk<'_>, of: Of<'_>, end: End) -> Result<()> {
        let connection = desk.connect(if self.dry_run { Purpose::Read } else { Purpose::Write })?;
        let service = desk.service(&connection, &desk.progress)?;
        let (clinic, client) = (&desk.clinic, &connection.session.client);
        let plan = match of {
            Of::Batch(batch) => {
                let options = back::Options { clinic, client, service: service.as_ref(), batch, end };
                connection.block_on(back::plan(&options))?
            }
            Of::People => {
                let limits = desk.context.limits();
                let staging = Staging::open(&desk.project, clinic, Access::ReadOnly, &limits)?;
                let options = desk.options(&staging, &connection, service.as_ref());
                connection.block_on(back::plan_people(&options, end))?
            }
        };
        let format = desk.context.format();
        if self.dry_run {
            return output::show(format, &plan, |plan| page(plan, true, &clinic.name));
        }
        let (name, given) = (clinic.name.as_str(), self.confirm.as_deref());
        let agreed = given.is_none() && desk.context.global.yes && !connection.target.production;
        if !agreed && !plan.ours.is_empty() {
            output::status(&page(&plan, true, &clinic.name).text());
            let question = match end {
                End::Disabled => t!("users.question_disable", service = plan.service),
                End::Removed => t!("users.question_remove", service = plan.service),
                End::Enabled => t!("users.question_enable", service = plan.service),
            };
            output::confirm_named(&question, name, given)?;
        }
        let ends = plan.batch.is_some() && !plan.ours.is_empty();
        let counts = |report: &back::Report| json!({ "ended": report.ended, "gone": report.gone });
        let report = desk.journaled(
            |report: &back::Report| (report.ended, counts(report)),
            |observer| connection.block_on(back::run(client, service.as_ref(), plan, observer)),
        );
        // Also where it broke off: some are ended.
        if ends && let Err(error) = forget(desk) {
            tracing::warn!(%error, "status still counts the accounts as made");
        }
        let report = report?;
        output::show(format, &report, |report| page(report, false, &clinic.name))
    }
}

/// The stage that made the accounts is not done any more. They are ended whatever comes of this.
fn forget(desk: &Desk<'_>) -> Result<()> {
    if !desk.project.duckdb_path(&desk.clinic.name).is_file() {
        return Ok(());
    }
    let target = Target::chosen(&desk.project, desk.context.global.target.as_deref())?;
    let staging = Staging::open(&desk.project, &desk.clinic, Access::Write, &desk.context.limits())?;
    let made = |row: &StageRow| row.stage == Stage::Users && row.counts["target"] == target.as_str();
    let Some(row) = staging.stages()?.into_iter().find(made) else { return Ok(()) };
    // A rollback of its batches still finds it.
    let counts = json!({ "batches": row.counts["batches"], "target": target, "taken_back": true });
    staging.restore_stage(Stage::Users, Some(&StageRow { counts, ..row }))
}

fn page(report: &back::Report, planned: bool, clinic: &ClinicName) -> Page {
    let service = &report.service;
    let count = output::count(if planned { report.ours.len() as u64 } else { report.ended });
    let line = match (&report.batch, report.end, planned) {
        (Some(batch), ..) if report.brought_none => t!("users.brought_none", batch = batch),
        (Some(batch), End::Removed, true) => {
            t!("users.would_remove", service = service, batch = batch, count = count)
        }
        (Some(batch), End::Removed, false) => {
            t!("users.did_remove", service = service, batch = batch, count = count)
        }
        (Some(batch), _, true) => t!("users.would_disable", service = service, batch = batch, count = count),
        (Some(batch), _, false) => t!("users.did_disable", service = service, batch = batch, count = count),
        (None, End::Enabled, true) => t!("users.would_enable", service = service, count = count),
        (None, End::Enabled, false) => t!("users.did_enable", service = service, count = count),
        (None, _, true) => t!("users.would_disable_left", service = service, count = count),
        (None, _, false) => t!("users.did_disable_left", service = service, count = count),
    };
    let mut page = Page::new().line(line);
    if report.gone > 0 {
        page = page.line(t!("users.were_gone", count = output::count(report.gone)));
    }
    if report.linked > 0 {
        page = page.line(t!("users.stay", count = output::count(report.linked)));
    }
    if report.shared > 0 {
        page = page.line(t!("users.shared", count = output::count(report.shared)));
    }
    if report.unsure > 0 {
        page = page.line(t!("users.unsure", count = output::count(report.unsure)));
    }
    match &report.batch {
        Some(batch) if report.stands && report.end == End::Removed && (!planned || report.brought_none) => {
            page.line(t!("users.ids_stay", clinic = clinic, batch = batch))
        }
        _ => page,
    }
}
