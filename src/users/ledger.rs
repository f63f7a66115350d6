//! The ledger's side: which account each row has, whether we made it, and by which batch (`trasvase.account`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Serialize;
use tokio_postgres::Client;

use super::back::End;
use super::plan::Noted;
use crate::error;
use crate::model::ident::ClinicName;
use crate::model::manifest::Origin;
use crate::pg::batches::Named;

/// Whose accounts, where.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) client: &'a Client,
    pub(super) clinic: &'a ClinicName,
    pub(super) service: &'a str,
    pub(super) table: &'a str,
}

/// An account that a batch brought.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    #[serde(skip)]
    pub(super) number: i32,
    /// The service's id.
    pub account: String,
    /// We made it; else it was there before.
    pub made: bool,
    pub disabled: bool,
    /// Other rows are bound to it too.
    pub shared: bool,
    #[serde(skip)]
    pub(super) service: String,
}

/// A batch that brought accounts.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) number: i32,
    pub(super) id: String,
    /// It was not taken back.
    pub(super) stands: bool,
}

impl Named for Batch {
    fn id(&self) -> &str {
        &self.id
    }

    /// Accounts stay when their batch is rolled back.
    fn status(&self) -> &str {
        "completed"
    }

    fn origin(&self) -> &str {
        Origin::Users.as_str()
    }
}

/// Whether the ledger knows accounts.
async fn is_there(client: &Client) -> Result<bool> {
    let sql = "select to_regclass('trasvase.account') is not null";
    Ok(client.query_one(sql, &[]).await.map_err(|error| error::postgres(&error))?.get(0))
}

/// What is known of each row's account, by key.
pub(super) async fn noted(place: &Place<'_>) -> Result<BTreeMap<String, Noted>> {
    if !is_there(place.client).await? {
        return Ok(BTreeMap::new());
    }
    let sql = "select target_key, account, made, extract(epoch from begun_at)::int8, disabled_at is not null \
               from trasvase.account where clinic = $1 and service = $2 and target_table = $3 and removed_at is null";
    let rows = place.client.query(sql, &[&place.clinic.as_str(), &place.service, &place.table]).await;
    let rows = rows.map_err(|error| error::postgres(&error))?;
    let noted = |row: &tokio_postgres::Row| {
        let (account, made, begun_at, disabled) = (row.get(1), row.get(2), row.get(3), row.get(4));
        let noted = Noted { account, made, disabled, begun_at };
        (row.get::<_, String>(0), noted)
    };
    Ok(rows.iter().map(noted).collect())
}

/// Writes down that an account is about to be made for a row: whatever breaks off then, it is known to be ours.
pub(super) async fn begin(place: &Place<'_>, key: &str) -> Result<i64> {
    forget(place, key, None).await?;
    let sql = "insert into trasvase.account (clinic, service, target_table, target_key, made) \
               values ($1, $2, $3, $4, true) on conflict (clinic, service, target_table, target_key) \
               where removed_at is null do update set begun_at = clock_timestamp(), made = true \
               returning extract(epoch from begun_at)::int8";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&place.clinic.as_str(), &place.service, &place.table, &key];
    let row = place.client.query_one(sql, &values).await.map_err(|error| error::postgres(&error))?;
    Ok(row.get(0))
}

/// Takes back that an account is about to be made, which the service refused.
pub(super) async fn withdraw(place: &Place<'_>, key: &str) -> Result<()> {
    let sql = "update trasvase.account set removed_at = clock_timestamp() where clinic = $1 and service = $2 \
               and target_table = $3 and target_key = $4 and removed_at is null and account is null";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&place.clinic.as_str(), &place.service, &place.table, &key];
    place.client.execute(sql, &values).await.map(drop).map_err(|error| error::postgres(&error))
}

/// Writes down a row's account.
pub(super) async fn note(place: &Place<'_>, key: &str, account: &str, made: bool) -> Result<()> {
    forget(place, key, Some(account)).await?;
    let sql = "insert into trasvase.account (clinic, service, target_table, target_key, account, made) \
               values ($1, $2, $3, $4, $5, $6) on conflict (clinic, service, target_table, target_key) \
               where removed_at is null do update set account = excluded.account, made = excluded.made \
               where account.account is null";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&place.clinic.as_str(), &place.service, &place.table, &key, &account, &made];
    place.client.execute(sql, &values).await.map(drop).map_err(|error| error::postgres(&error))
}

/// A row that had another account has it no more.
async fn forget(place: &Place<'_>, key: &str, but: Option<&str>) -> Result<()> {
    let sql = "update trasvase.account set removed_at = clock_timestamp() where clinic = $1 and service = $2 \
               and target_table = $3 and target_key = $4 and removed_at is null and account is distinct from $5 \
               and account is not null";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&place.clinic.as_str(), &place.service, &place.table, &key, &but];
    place.client.execute(sql, &values).await.map(drop).map_err(|error| error::postgres(&error))
}

/// Writes down which batch wrote the ids of the clinic's accounts that have none yet; without a batch, the last one that
/// wrote any, whose end a run may not have lived to see. Gives whether this batch made accounts.
///
/// # Errors
/// The ledger cannot be written.
pub async fn bind(client: &Client, clinic: &ClinicName, batch: Option<&str>) -> Result<bool> {
    let sql = "update trasvase.account set batch = (select max(number) from trasvase.batch where clinic = $1 \
               and origin = 'users' and status = 'completed' and id = coalesce($2, id)) \
               where clinic = $1 and batch is null and account is not null and removed_at is null";
    client.execute(sql, &[&clinic.as_str(), &batch]).await.map_err(|error| error::postgres(&error))?;
    let sql = "select exists (select from trasvase.account a join trasvase.batch b on b.number = a.batch \
               where b.id = $1 and a.made and a.removed_at is null)";
    Ok(client.query_one(sql, &[&batch]).await.map_err(|error| error::postgres(&error))?.get(0))
}

/// The clinic's batches that brought accounts, the oldest first.
pub(super) async fn batches(client: &Client, clinic: &ClinicName) -> Result<Vec<Batch>> {
    if !is_there(client).await? {
        return Ok(Vec::new());
    }
    let sql = "select number, id, status = 'completed' from trasvase.batch b where clinic = $1 \
               and exists (select from trasvase.account where batch = b.number) order by number";
    let rows = client.query(sql, &[&clinic.as_str()]).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| Batch { number: row.get(0), id: row.get(1), stands: row.get(2) }).collect())
}

/// Whether accounts that trasvase made for the clinic are there still, or may be.
///
/// # Errors
/// The ledger cannot be read.
pub async fn any(client: &Client, clinic: &ClinicName) -> Result<bool> {
    if !is_there(client).await? {
        return Ok(false);
    }
    let sql =
        "select exists (select from trasvase.account where clinic = $1 and made and removed_at is null)";
    Ok(client.query_one(sql, &[&clinic.as_str()]).await.map_err(|error| error::postgres(&error))?.get(0))
}

/// The accounts that a batch brought and that are there still.
pub(super) async fn of_batch(client: &Client, batch: &Batch) -> Result<Vec<Entry>> {
    let sql = "select number, account, made, disabled_at is not null, service, exists (select from trasvase.account o \
               where o.service = a.service and o.account = a.account and o.number <> a.number and o.removed_at is null) \
               from trasvase.account a where batch = $1 and removed_at is null and account is not null order by number";
    let rows = client.query(sql, &[&batch.number]).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(entry).collect())
}

/// What the ledger knows of the clinic's accounts with these ids, each once; shared are those that another clinic has too.
pub(super) async fn of_accounts(
    client: &Client,
    clinic: &ClinicName,
    service: &str,
    ids: &BTreeSet<String>,
) -> Result<Vec<Entry>> {
    if ids.is_empty() || !is_there(client).await? {
        return Ok(Vec::new());
    }
    let sql = "select distinct on (account) number, account, made, disabled_at is not null, service, exists (select from trasvase.account o \
               where o.service = a.service and o.account = a.account and o.clinic <> a.clinic and o.removed_at is null) \
               from trasvase.account a where clinic = $1 and service = $2 and account = any($3) and removed_at is null \
               order by account, made desc, number";
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let rows = client.query(sql, &[&clinic.as_str(), &service, &ids]).await;
    Ok(rows.map_err(|error| error::postgres(&error))?.iter().map(entry).collect())
}

fn entry(row: &tokio_postgres::Row) -> Entry {
    Entry {
        number: row.get(0),
        account: row.get(1),
        made: row.get(2),
        disabled: row.get(3),
        service: row.get(4),
        shared: row.get(5),
    }
}

/// Writes down what became of an account.
pub(super) async fn end(client: &Client, entry: &Entry, end: End) -> Result<()> {
    let set = match end {
        End::Disabled => "disabled_at = clock_timestamp() where disabled_at is null",
        End::Removed => "removed_at = clock_timestamp() where removed_at is null",
        End::Enabled => "disabled_at = null where disabled_at is not null",
    };
    let sql = format!("update trasvase.account set {set} and number = $1");
    client.execute(&sql, &[&entry.number]).await.map(drop).map_err(|error| error::postgres(&error))
}
