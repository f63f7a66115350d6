//! users: accounts for those who work at the clinic, and their ids in PostgreSQL.
//!
//! Who is to have one is in the staging file, whether there is one says the service (Cognito, Supabase). What is done is a
//! pure [`Plan`]; before an account is made the ledger says that it will be, so that a run which breaks off leaves none that
//! nobody knows to be ours. The ids go into PostgreSQL as a batch of their own, which whoever calls this pushes.

pub mod back;
mod cognito;
mod finding;
pub mod ledger;
mod people;
mod plan;
mod service;
mod supabase;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio::task::block_in_place;
use tokio_postgres::Client;

use crate::config::{Clinic, Users, near};
use crate::error::{self, Failure};
use crate::model::catalog::Catalog;
use crate::model::ident::{TableName, quoted};
use crate::model::keys::Keys;
use crate::model::manifest::Origin;
use crate::model::run::Observer;
use crate::pg::{ledger as books, origins};
use crate::staging::Staging;
use ledger::Place;
use people::Person;
use plan::Facts;

pub use cognito::Cognito;
pub use finding::{Finding, Rule};
pub use plan::{Action, Plan, Step};
pub use service::{Denied, Patience, Service, Wanted};
pub use supabase::Supabase;

/// Whose accounts, and where.
pub struct Options<'a> {
    pub clinic: &'a Clinic,
    pub settings: &'a Users,
    pub staging: &'a Staging,
    pub client: &'a Client,
    pub catalog: &'a Catalog,
    pub service: &'a dyn Service,
    /// The service tells people that they have an account.
    pub invite: bool,
    /// Stop after the plan; nothing is written anywhere.
    pub dry_run: bool,
}

/// What was done.
#[derive(Clone, Default, Serialize)]
pub struct Report {
    pub plan: Plan,
    pub created: u64,
    pub linked: u64,
    pub updated: u64,
    pub unchanged: u64,
    /// Key of the target's row to the id of its account, of everybody who has one.
    #[serde(skip)]
    pub ids: BTreeMap<String, String>,
}

/// Makes the plan and, unless it is a dry run, the accounts.
///
/// # Errors
/// Something that clinic.toml names is not there; the service does not answer. What was done until then is in the ledger,
/// and the next run goes on from there.
pub async fn run(options: &Options<'_>, observer: &dyn Observer) -> Result<Report> {
    let (plan, noted) = planned(options).await?;
    if options.dry_run {
        return Ok(Report { plan, ..Report::default() });
    }
    if !plan.steps.is_empty() {
        books::migrate(options.client).await?;
    }
    let (service, table) = (plan.service.clone(), plan.table.clone());
    let place =
        Place { client: options.client, clinic: &options.clinic.name, service: &service, table: &table };
    work::apply(options, &place, plan, &noted, observer).await
}

/// Asks everybody; writes nothing anywhere.
async fn planned(options: &Options<'_>) -> Result<(Plan, BTreeMap<String, plan::Noted>)> {
    let settings = options.settings;
    let table = settings.target();
    let key = key(options.catalog, &table, settings)?;
    let mut people = people::read(options.staging, settings, &key)?;
    if options.clinic.table(&table).keys == Keys::New {
        number(options, &table, &key, &mut people).await?;
    }
    block_in_place(|| options.service.ready(settings))?;
    let service = options.service.name();
    let shown = table.to_string();
    let place =
        Place { client: options.client, clinic: &options.clinic.name, service: &service, table: &shown };
    let rows = rows(options.client, &table, &key, &settings.column, &people).await?;
    let noted = ledger::noted(&place).await?;
    let wanted = wanted(&people, &rows, &noted);
    let accounts = block_in_place(|| options.service.accounts(&wanted, settings))?;
    let (schema, name) = settings.source();
    let not_whole = options.staging.sources_not_whole(schema, name)?;
    let (people, accounts) = (people.as_slice(), accounts.as_slice());
    let facts = Facts { people, rows: &rows, noted: &noted, accounts, not_whole: &not_whole };
    let mut plan = plan::plan(settings, &facts);
    (plan.service, plan.table, plan.column) = (service.clone(), shown.clone(), settings.column.clone());
    Ok((plan, noted))
}

/// Gives people the keys that the target gave their rows, where models have only placeholders for them.
async fn number(options: &Options<'_>, table: &TableName, key: &str, people: &mut [Person]) -> Result<()> {
    let placed = people::placed(options.staging, table, key)?;
    let ids: Vec<&str> = placed.values().map(String::as_str).collect();
    let of = (options.clinic.name.as_str(), Origin::Models);
    let numbers = origins::numbers(options.client, of, table, &ids).await?;
    for person in people {
        let known =
            person.key.as_ref().and_then(|key| placed.get(key)).or_else(|| placed.get(&person.record));
        person.key = known.and_then(|id| numbers.get(id).cloned());
    }
    Ok(())
}

/// The key of the target's table, which has the column for ids.
fn key(catalog: &Catalog, name: &TableName, settings: &Users) -> Result<String> {
    let Some(table) = catalog.table(name) else {
        let known: Vec<String> = catalog.tables.keys().map(ToString::to_string).collect();
        let near = near(&name.to_string(), &known);
        return Err(Failure::usage(t!("users.no_target_table", table = name, near = near))
            .hint(t!("users.no_target_table_hint"))
            .into());
    };
    if table.column(&settings.column).is_none() {
        let column = &settings.column;
        return Err(Failure::usage(t!("users.no_target_column", table = name, column = column))
            .hint(format!("alter table {} add column {} text;", name.quoted(), quoted(column)))
            .hint(t!("users.no_target_column_hint"))
            .into());
    }
    match table.primary_key() {
        [key] => Ok(key.clone()),
        _ => Err(Failure::usage(t!("users.no_key", table = name)).into()),
    }
}

/// The target's rows of these people, with the ids that they have.
async fn rows(
    client: &Client,
    table: &TableName,
    key: &str,
    column: &str,
    people: &[Person],
) -> Result<BTreeMap<String, Option<String>>> {
    let keys: Vec<&str> = people.iter().filter_map(|person| person.key.as_deref()).collect();
    let (key, column) = (quoted(key), quoted(column));
    let sql = format!(
        "select {key}::text, nullif({column}::text, '') from {} where {key}::text = any($1)",
        table.quoted()
    );
    let rows = client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The accounts that may be somebody's: by address, by the target's row, or by the ledger.
fn wanted(
    people: &[Person],
    rows: &BTreeMap<String, Option<String>>,
    noted: &BTreeMap<String, plan::Noted>,
) -> Wanted {
    let emails = people.iter().filter_map(|person| person.email.as_deref().map(plan::address));
    let ids = rows.values().flatten().cloned();
    let ids: BTreeSet<String> = ids.chain(noted.values().filter_map(|one| one.account.clone())).collect();
    Wanted { emails: emails.collect(), ids }
}
