//! A clinic's batches as its target's ledger has them, with who signed them off.

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Client;

use super::ledger;
use crate::error::{self, Failure};
use crate::model::ident::ClinicName;
use crate::model::manifest::Origin;

/// One batch.
#[derive(Debug, Clone, Serialize)]
pub struct Batch {
    #[serde(skip)]
    pub number: i32,
    /// ULID.
    pub id: String,
    pub snapshot: String,
    /// What its rows are from: `models`, `files` or `users`.
    pub origin: String,
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
    /// When it was taken back, RFC 3339.
    pub rolled_back_at: Option<String>,
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

/// The same to the microsecond.
const FINE: &str = "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'";

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
         to_char(b.ended_at at time zone 'UTC', {TIME}), b.notes, b.counts::text, (to_jsonb(b) ->> 'purged_at') is not null, {signed}, \
         to_char((to_jsonb(b) ->> 'rolled_back_at')::timestamptz at time zone 'UTC', {FINE}), \
         coalesce(to_jsonb(b) ->> 'origin', 'models') \
         from trasvase.batch b {join} where b.clinic = $1 order by b.number"
    );
    let rows = client.query(&sql, &[&clinic.as_str()]).await.map_err(|error| error::postgres(&error))?;
    let batch = |row: &tokio_postgres::Row| {
        let signed = row.get::<_, Option<String>>(10);
        Ok(Batch {
            number: row.get(0),
            id: row.get(1),
            snapshot: row.get(2),
            origin: row.get(14),
            status: row.get(3),
            who: row.get(4),
            started_at: row.get(5),
            ended_at: row.get(6),
            notes: row.get(7),
            counts: serde_json::from_str(row.get(8)).context("the ledger's counts")?,
            purged: row.get(9),
            rolled_back_at: row.get(13),
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

/// A batch that people may name.
pub trait Named {
    /// ULID.
    fn id(&self) -> &str;
    fn status(&self) -> &str;
    /// What its rows are from.
    fn origin(&self) -> &str;
}

impl Named for Batch {
    fn id(&self) -> &str {
        &self.id
    }

    fn status(&self) -> &str {
        &self.status
    }

    fn origin(&self) -> &str {
        &self.origin
    }
}

/// So many batches are named where none is found.
const SHOWN: usize = 5;

/// The batch whose id begins so, or the last completed one for `last`; `batches` are the clinic's, the oldest first.
///
/// # Errors
/// None, or several.
pub fn named<'b, B: Named>(batches: &'b [B], clinic: &ClinicName, name: &str) -> Result<&'b B, Failure> {
    // Whatever comes later stands on the models' rows.
    let of_models = |batch: &&B| batch.origin() == Origin::Models.as_str();
    let latest = || batches.iter().rfind(of_models).or(batches.last());
    let standing = || batches.iter().rev().filter(|batch| batch.status() == "completed");
    if name == "last" {
        return standing().next().ok_or_else(|| none(clinic, latest()));
    }
    let wanted = name.to_uppercase();
    let found: Vec<&B> =
        batches.iter().filter(|batch| !wanted.is_empty() && batch.id().starts_with(&wanted)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] if batches.is_empty() => Err(none(clinic, latest())),
        [] => {
            let known: Vec<&str> = standing().take(SHOWN).map(Named::id).collect();
            let known = if known.is_empty() { "-".to_owned() } else { known.join(", ") };
            Err(Failure::usage(t!("rollback.unknown", name = name, clinic = clinic, known = known))
                .hint(t!("rollback.unknown_hint", clinic = clinic)))
        }
        several => {
            let known: Vec<&str> = several.iter().take(SHOWN).map(|batch| batch.id()).collect();
            Err(Failure::usage(t!("rollback.ambiguous", name = name, count = several.len()))
                .hint(t!("rollback.ambiguous_hint", known = known.join(", "))))
        }
    }
}

/// What to type to have a batch's rows again that were taken back. Objects and accounts may be gone, so theirs are made anew.
pub fn again<B: Named>(batch: &B, clinic: &ClinicName) -> String {
    anew(batch.origin(), clinic).unwrap_or_else(|| format!("trasvase redo {clinic} {}", batch.id()))
}

/// What makes rows of this origin anew; none of models, whose snapshots say all.
pub fn anew(origin: &str, clinic: &ClinicName) -> Option<String> {
    (origin != Origin::Models.as_str()).then(|| format!("trasvase {origin} {clinic}"))
}

/// Refuses to push rows again that name what is not in the target and may be gone: objects of a bucket, people's accounts.
/// `what` has them, as people read it.
///
/// # Errors
/// They are of such an origin.
pub fn refuse_made_anew(origin: &str, clinic: &ClinicName, what: &str) -> Result<(), Failure> {
    let Some(command) = anew(origin, clinic) else { return Ok(()) };
    let why = match origin == Origin::Files.as_str() {
        true => t!("rollback.of_files", what = what),
        false => t!("rollback.of_users", what = what),
    };
    Err(Failure::failed(why).hint(command).hint(format!("trasvase run {clinic} --from {origin}")))
}

/// The failure of a ledger in which no batch of the clinic stands; `latest` is one that does not.
pub fn none<B: Named>(clinic: &ClinicName, latest: Option<&B>) -> Failure {
    let failure = Failure::failed(t!("rollback.none", clinic = clinic));
    match latest.filter(|batch| batch.status() == "rolled_back") {
        Some(batch) => failure.hint(t!("rollback.none_hint_again", command = again(batch, clinic))),
        None => failure.hint(t!("rollback.none_hint", clinic = clinic)),
    }
}
