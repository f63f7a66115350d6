//! The way back: what a batch made is disabled or removed; what was there before stays.

use std::collections::BTreeSet;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio::task::block_in_place;
use tokio_postgres::Client;

use super::ledger::{self, Entry};
use super::service::Service;
use crate::config::{Clinic, Users};
use crate::error::{self, Failure, interrupt};
use crate::model::ident::quoted;
use crate::model::run::{Event, Observer, Stage};
use crate::pg::batches;

/// What becomes of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Nobody can log in with them.
    Disabled,
    Removed,
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
    pub batch: String,
    pub service: String,
    pub end: End,
    /// Accounts that the batch made.
    pub ours: Vec<Entry>,
    /// Of these, ended now, and gone before.
    pub ended: u64,
    pub gone: u64,
    /// Accounts that were there before, and those that other rows are bound to: they stay.
    pub linked: u64,
    pub shared: u64,
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
    let batch = batches::named(&known, clinic, options.batch)?;
    let entries = ledger::of_batch(options.client, batch).await?;
    let service = options.service.name();
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
    let done = |entry: &Entry| options.end == End::Disabled && entry.disabled;
    let linked = entries.iter().filter(|entry| !entry.made).count() as u64;
    let shared = entries.iter().filter(|entry| entry.made && entry.shared).count() as u64;
    let ours = entries.into_iter().filter(|entry| entry.made && !entry.shared && !done(entry)).collect();
    Ok(Report { batch: batch.id.clone(), service, end: options.end, ours, ended: 0, gone: 0, linked, shared })
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

/// Takes out the accounts that rows of the target are still bound to: they stay with these.
///
/// # Errors
/// The target does not answer.
pub async fn spare_bound(client: &Client, users: &Users, plan: &mut Report) -> Result<()> {
    let (table, column) = (users.target().quoted(), quoted(&users.column));
    let ids: Vec<&str> = plan.ours.iter().map(|entry| entry.account.as_str()).collect();
    let sql = format!("select {column}::text from {table} where {column}::text = any($1)");
    let rows = client.query(&sql, &[&ids]).await.map_err(|error| error::postgres(&error))?;
    let bound: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let before = plan.ours.len();
    plan.ours.retain(|entry| !bound.contains(&entry.account));
    plan.shared += (before - plan.ours.len()) as u64;
    Ok(())
}

/// Does it, one account after the other: what breaks off goes on the next time.
///
/// # Errors
/// The service does not do it, or the ledger cannot be written.
pub async fn run(options: &Options<'_>, plan: Report, observer: &dyn Observer) -> Result<Report> {
    let (stage, total) = (Stage::Users, plan.ours.len() as u64);
    let mut report = plan;
    observer.event(&Event::Started { stage, subject: &report.service, total: Some(total) });
    for entry in &report.ours {
        interrupt::check()?;
        let there = block_in_place(|| match options.end {
            End::Disabled => options.service.disable(&entry.account),
            End::Removed => options.service.remove(&entry.account),
        })?;
        *(if there { &mut report.ended } else { &mut report.gone }) += 1;
        ledger::end(options.client, entry, options.end == End::Removed || !there).await?;
        observer.event(&Event::Advanced { stage, subject: &report.service, amount: 1 });
    }
    observer.event(&Event::Finished { stage, subject: &report.service, rows: total });
    Ok(report)
}
