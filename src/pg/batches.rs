//! A clinic's batches as its target's ledger has them, with who signed them off.

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Client;

use super::ledger;
use crate::error::{self, Failure};
use crate::model::ident::ClinicName;

/// One batch.
#[derive(Debug, Clone, Serialize)]
pub struct Batch {
    #[serde(skip)]
    pub number: i32,
    /// ULID.
    pub id: String,
    pub snapshot: String,
    /// `running`, `completed`, `failed` or `rolled_back`.
    pub status: String,
    pub who: String,
    /// RFC 3339.
    pub started_at: String,
    pub ended_at: Option<String>,
    pub notes: String,
    /// Rows by table, and records by source.
    pub counts: Value,
    /// Its before-images are destroyed.
    pub purged: bool,
    pub signed: Option<Signed>,
}

/// Who signed it off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    pub by: String,
    /// RFC 3339.
    pub at: String,
    pub seal: String,
}

const TIME: &str = "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'";

/// The clinic's batches, the oldest first; none where there is no ledger.
///
/// # Errors
/// A damaged ledger, or one that cannot be read.
pub async fn list(client: &Client, clinic: &ClinicName) -> Result<Vec<Batch>> {
    if !ledger::exists(client).await? {
        return Ok(Vec::new());
    }
    let (signed, join) = match has_signoffs(client).await? {
        true => ("s.signed_by, s.signed_at, s.seal", "left join trasvase.signoff s on s.batch = b.number"),
        false => ("null::text, null::text, null::text", ""),
    };
    let sql = format!(
        "select b.number, b.id, b.snapshot, b.status, b.who, to_char(b.started_at at time zone 'UTC', {TIME}), \
         to_char(b.ended_at at time zone 'UTC', {TIME}), b.notes, b.counts::text, (to_jsonb(b) ->> 'purged_at') is not null, {signed} \
         from trasvase.batch b {join} where b.clinic = $1 order by b.number"
    );
    let rows = client.query(&sql, &[&clinic.as_str()]).await.map_err(|error| error::postgres(&error))?;
    let batch = |row: &tokio_postgres::Row| {
        let signed = row.get::<_, Option<String>>(10);
        Ok(Batch {
            number: row.get(0),
            id: row.get(1),
            snapshot: row.get(2),
            status: row.get(3),
            who: row.get(4),
            started_at: row.get(5),
            ended_at: row.get(6),
            notes: row.get(7),
            counts: serde_json::from_str(row.get(8)).context("the ledger's counts")?,
            purged: row.get(9),
            signed: signed.map(|by| Signed { by, at: row.get(11), seal: row.get(12) }),
        })
    };
    rows.iter().map(batch).collect()
}

/// Whether the ledger can hold sign-offs.
pub async fn has_signoffs(client: &Client) -> Result<bool> {
    let sql = "select to_regclass('trasvase.signoff') is not null";
    Ok(client.query_one(sql, &[]).await.map_err(|error| error::postgres(&error))?.get(0))
}

/// The batch whose id begins so, or the last completed one for `last`.
///
/// # Errors
/// None, or several.
pub fn named<'b>(batches: &'b [Batch], clinic: &ClinicName, name: &str) -> Result<&'b Batch, Failure> {
    let mut found: Vec<&Batch> = match name {
        "last" => batches.iter().rev().filter(|batch| batch.status == "completed").take(1).collect(),
        name => batches.iter().filter(|batch| batch.id.starts_with(&name.to_uppercase())).collect(),
    };
    match (found.pop(), found.is_empty()) {
        (Some(batch), true) => Ok(batch),
        _ => Err(Failure::usage(t!("verify.no_batch", batch = name, clinic = clinic))
            .hint(t!("verify.no_batch_hint", clinic = clinic))),
    }
}
