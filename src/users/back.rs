//! The way back: what a batch made is disabled or removed; what was there before stays. Who works there no more can be shut out,
//! and let in again.

use std::collections::BTreeSet;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio::task::block_in_place;
use tokio_postgres::Client;

use super::finding::Rule;
use super::ledger::{self, Entry};
use super::service::Service;
use crate::config::{Clinic, Users};
use crate::error::{self, Failure, interrupt};
use crate::model::catalog::{Catalog, Column};
use crate::model::ident::quoted;
use crate::model::manifest::Origin;
use crate::model::run::{Event, Observer, Stage};
use crate::pg::{After, batches};

/// What becomes of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Nobody can log in with them.
    Disabled,
    Removed,
    /// They are as before they were disabled.
    Enabled,
}

pub struct Options<'a> {
    pub clinic: &'a Clinic,
    pub client: &'a Client,
    pub service: &'a dyn Service,
    /// The batch (the beginning of its id), or `last`.
    pub batch: &'a str,
    pub end: End,
}

/// What is to be done, or was.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// None where it is about people, whichever batch made their accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// The batch was not taken back: rows have its ids.
    #[serde(skip)]
    pub stands: bool,
    /// The batch wrote only ids of accounts that were there already, or that earlier batches had brought.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub brought_none: bool,
    pub service: String,
    pub end: End,
    /// Accounts that we made.
    pub ours: Vec<Entry>,
    /// Of these, ended now, and gone before.
    pub ended: u64,
    pub gone: u64,
    /// Accounts that were there before, and those that other rows are bound to: they stay.
    pub linked: u64,
    pub shared: u64,
    /// People who have no record any more, and of whom nobody knows whether they left: theirs stay.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub unsure: u64,
}

/// Looks which accounts it would be.
///
/// # Errors
/// No such batch, one of another service, or a ledger that cannot be read.
pub async fn plan(options: &Options<'_>) -> Result<Report> {
    let clinic = &options.clinic.name;
    let known = ledger::batches(options.client, clinic).await?;
    if known.is_empty() {
        return Err(Failure::failed(t!("users.no_batch", clinic = clinic))
            .hint("trasvase users --dry-run")
            .into());
    }
    let service = options.service.name();
    let batch = match batches::named(&known, clinic, options.batch) {
        Ok(batch) => batch,
        Err(unknown) => return without_accounts(options, service, unknown).await,
    };
    let entries = ledger::of_batch(options.client, batch).await?;
    if let Some(other) = entries.iter().find(|entry| entry.service != service) {
        return Err(Failure::failed(t!(
            "users.other_service",
            batch = batch.id,
            there = other.service,
            here = service
        ))
        .hint(t!("users.other_service_hint"))
        .into());
    }
    let linked = entries.iter().filter(|entry| !entry.made).count() as u64;
    let (id, stands) = (Some(batch.id.clone()), batch.stands);
    let mut report = Report { batch: id, stands, linked, ..of_entries(entries, service, options.end) };
    report.ours.retain(|entry| options.end != End::Disabled || !entry.disabled);
    Ok(report)
}

/// The report of a batch that only wrote the ids of accounts which were there already; else the failure of one that is unknown.
async fn without_accounts(options: &Options<'_>, service: String, unknown: Failure) -> Result<Report> {
    let mut batches = batches::list(options.client, &options.clinic.name).await?;
    batches.retain(|batch| batch.origin == Origin::Users.as_str());
    let Ok(batch) = batches::named(&batches, &options.clinic.name, options.batch) else {
        return Err(unknown.into());
    };
    let (id, stands) = (Some(batch.id.clone()), batch.status == "completed");
    Ok(Report { batch: id, stands, brought_none: true, ..of_entries(Vec::new(), service, options.end) })
}

/// Looks at the accounts of people who work there no more, to be disabled, or of those who do, to be enabled.
///
/// # Errors
/// As [`super::run`].
pub async fn plan_people(options: &super::Options<'_>, end: End) -> Result<Report> {
    let (plan, _) = super::planned(options).await?;
    let ids = if end == End::Enabled { &plan.back } else { &plan.left };
    let entries = ledger::of_accounts(options.client, &options.clinic.name, &plan.service, ids).await?;
    let stays = |finding: &&super::Finding| end == End::Disabled && finding.rule == Rule::LeftBefore;
    let linked = plan.findings.iter().filter(stays).count() as u64;
    let unsure = if end == End::Disabled { plan.unsure() } else { 0 };
    Ok(Report { linked, unsure, ..of_entries(entries, plan.service, end) })
}

/// Those that we made, and that nobody else's rows are bound to.
fn of_entries(entries: Vec<Entry>, service: String, end: End) -> Report {
    let shared = entries.iter().filter(|entry| entry.made && entry.shared).count() as u64;
    let ours = entries.into_iter().filter(|entry| entry.made && !entry.shared).collect();
    Report {
        batch: None,
        stands: false,
        brought_none: false,
        service,
        end,
        ours,
        ended: 0,
        gone: 0,
        linked: 0,
        shared,
        unsure: 0,
    }
}

/// Looks what all batches brought that is there still.
///
/// # Errors
/// As [`plan`].
pub async fn plan_all(clinic: &Clinic, client: &Client, service: &dyn Service) -> Result<Vec<Report>> {
    let mut plans = Vec::new();
    for batch in ledger::batches(client, &clinic.name).await? {
        let options = Options { clinic, client, service, batch: &batch.id, end: End::Removed };
        plans.push(plan(&options).await?);
    }
    plans.retain(|plan| !plan.ours.is_empty() || plan.linked + plan.shared > 0);
    Ok(plans)
}

/// Takes out the accounts that rows of the target, as it will be afterwards, are still bound to: they stay with these.
///
/// # Errors
/// The target does not answer.
pub async fn spare_bound(
    (client, catalog): (&Client, &Catalog),
    users: &Users,
    after: &After,
    plan: &mut Report,
) -> Result<()> {
    let name = users.target();
    let before = plan.ours.len();
    // Under other settings another column of the table had the ids.
    let columns = catalog.table(&name).into_iter().flat_map(|table| &table.columns);
    let holds = |column: &&Column| column.name == users.column || column.data_type.is_text();
    for column in columns.filter(holds).map(|column| quoted(&column.name)) {
        let ids: Vec<&str> = plan.ours.iter().map(|entry| entry.account.as_str()).collect();
        let sql =
            format!("select {column}::text from {} bound where {column}::text = any($1)", after.rows(&name));
        let rows = client.query(&sql, &[&ids]).await.map_err(|error| error::postgres(&error))?;
        let bound: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        plan.ours.retain(|entry| !bound.contains(&entry.account));
    }
    plan.shared += (before - plan.ours.len()) as u64;
    Ok(())
}

/// Does it, one account after the other: what breaks off goes on the next time.
///
/// # Errors
/// The service does not do it, or the ledger cannot be written.
pub async fn run(
    client: &Client,
    service: &dyn Service,
    plan: Report,
    observer: &dyn Observer,
) -> Result<Report> {
    let (stage, total) = (Stage::Users, plan.ours.len() as u64);
    let mut report = plan;
    observer.event(&Event::Started { stage, subject: &report.service, total: Some(total) });
    for entry in &report.ours {
        interrupt::check()?;
        let there = block_in_place(|| match report.end {
            End::Disabled => service.disable(&entry.account),
            End::Removed => service.remove(&entry.account),
            End::Enabled => service.enable(&entry.account),
        })?;
        *(if there { &mut report.ended } else { &mut report.gone }) += 1;
        ledger::end(client, entry, if there { report.end } else { End::Removed }).await?;
        observer.event(&Event::Advanced { stage, subject: &report.service, amount: 1 });
    }
    observer.event(&Event::Finished { stage, subject: &report.service, rows: total });
    Ok(report)
}
