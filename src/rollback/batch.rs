//! Which batches are taken back: the one that was named, and those that were built on it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Client;

use super::{Edited, Options, Which, built, left};
use crate::error::{self, Failure};
use crate::model::catalog::Catalog;
use crate::model::ident::{ClinicName, TableName};
use crate::pg::batches::{self, Named, named};
use crate::pg::ledger::{self, ORIGIN, Shape};

/// What a batch may have done to rows, as its counts have it.
const WRITTEN: [&str; 6] = ["inserted", "updated", "deleted", "adopted", "repointed", "retired"];

/// A batch of the ledger.
#[derive(Debug, Clone, Serialize)]
pub struct Batch {
    #[serde(skip)]
    pub(super) number: i32,
    /// ULID.
    pub id: String,
    pub snapshot: String,
    /// What its rows are from: `models`, `files` or `users`.
    #[serde(skip)]
    origin: String,
    /// When it was written, as the server says it.
    pub ended_at: String,
    #[serde(skip)]
    pub(super) counts: Value,
    #[serde(skip)]
    pub(super) shape: Option<BTreeMap<String, Shape>>,
    #[serde(skip)]
    status: String,
    #[serde(skip)]
    rolled_back: Option<(String, String)>,
    /// Who signed it off, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<(String, String)>,
    /// Its before-images are destroyed.
    #[serde(skip)]
    purged: bool,
    /// It was taken back; of it go only the rows that were left then.
    #[serde(skip)]
    pub(super) left: bool,
}

impl Batch {
    /// How many rows of a table it wrote of this kind.
    pub(super) fn count(&self, table: &str, kind: &str) -> u64 {
        self.counts[table][kind].as_u64().unwrap_or_default()
    }

    /// The tables of its snapshot.
    fn held(&self) -> BTreeSet<&String> {
        match &self.shape {
            Some(shape) => shape.keys().collect(),
            None => self.tables().collect(),
        }
    }

    /// Rows that it wrote into these tables.
    fn rows_in(&self, tables: &BTreeSet<&String>) -> u64 {
        let kinds = |table: &&String| WRITTEN.iter().map(|kind| self.count(table, kind)).sum::<u64>();
        tables.iter().map(kinds).sum()
    }

    /// Whether it changed rows of a table that were there, or took some away.
    pub(super) fn changed(&self, table: &str) -> bool {
        WRITTEN[1..].iter().any(|kind| self.count(table, kind) > 0)
    }

    /// The tables that it wrote.
    pub(super) fn tables(&self) -> impl Iterator<Item = &String> {
        let tables = self.counts.as_object().map(|counts| counts.iter()).into_iter().flatten();
        tables.filter(|(name, _)| WRITTEN.iter().any(|kind| self.count(name, kind) > 0)).map(|(name, _)| name)
    }

    /// Whether nobody knows which of the table's rows it inserted, and which were there before.
    pub(super) fn mixes(&self, table: &str) -> bool {
        self.purged && ["updated", "adopted", "repointed"].iter().any(|kind| self.count(table, kind) > 0)
    }

    /// How many of the table's rows it deleted that cannot come back.
    pub(super) fn lost(&self, table: &str) -> u64 {
        if self.purged { self.count(table, "deleted") + self.count(table, "retired") } else { 0 }
    }

    /// Whether all that it did can still be taken back.
    fn is_known(&self) -> bool {
        self.tables().all(|table| !self.mixes(table) && self.lost(table) == 0)
    }

    pub(super) fn shape_of(&self, name: &str, catalog: &Catalog) -> Option<Shape> {
        let known = self.shape.as_ref().and_then(|shape| shape.get(name)).cloned();
        let table = catalog.table(&TableName::from(name))?;
        let columns = || table.columns.iter().map(|column| column.name.clone()).collect();
        let live = || Shape { key: table.primary_key().to_vec(), columns: columns(), ..Shape::default() };
        Some(known.unwrap_or_else(live))
    }
}

/// The shape of a table when the newest of these batches wrote it; as it is now where the ledger does not say.
pub(super) fn shape(batches: &[Batch], table: &TableName, catalog: &Catalog) -> Option<Shape> {
    let name = table.to_string();
    let batch = batches.iter().rev().find(|batch| batch.tables().any(|one| *one == name))?;
    batch.shape_of(&name, catalog)
}

/// All batches of the clinic, the oldest first.
async fn all(client: &Client, clinic: &ClinicName) -> Result<Vec<Batch>> {
    let version = ledger::version(client).await?;
    let signed = match version {
        ..=4 => "null::text, null::text",
        _ => {
            "(select signed_by from trasvase.signoff s where s.batch = number), \
              (select signed_at from trasvase.signoff s where s.batch = number)"
        }
    };
    let later = match version {
        ..=1 => "null::text, null::text, null::text",
        _ => "shape::text, to_char(rolled_back_at, 'YYYY-MM-DD HH24:MI'), rolled_back_by",
    };
    let sql = format!(
        "select number, id, snapshot, coalesce(to_char(ended_at, 'YYYY-MM-DD HH24:MI'), ''), counts::text, status, {later}, (to_jsonb(batch) ->> 'purged_at') is not null, {signed}, {ORIGIN} \
         from trasvase.batch where clinic = $1 order by number"
    );
    let rows = client.query(&sql, &[&clinic.as_str()]).await.map_err(|error| error::postgres(&error))?;
    let batch = |row: &tokio_postgres::Row| -> Result<Batch> {
        let shape: Option<&str> = row.get(6);
        Ok(Batch {
            number: row.get(0),
            id: row.get(1),
            snapshot: row.get(2),
            ended_at: row.get(3),
            counts: serde_json::from_str(row.get(4)).context("the ledger's counts")?,
            status: row.get(5),
            shape: shape.map(serde_json::from_str).transpose().context("the ledger's shape")?,
            rolled_back: row.get::<_, Option<String>>(7).zip(row.get(8)),
            purged: row.get(9),
            left: false,
            signed: row.get::<_, Option<String>>(10).zip(row.get(11)),
            origin: row.get(12),
        })
    };
    rows.iter().map(batch).collect()
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

async fn ledger_of(client: &Client, clinic: &ClinicName) -> Result<Vec<Batch>> {
    if !ledger::exists(client).await? {
        return Err(batches::none::<Batch>(clinic, None).into());
    }
    all(client, clinic).await
}

/// The batch that was rolled back, to push its snapshot again. `over` those that wrote the same tables since and stand.
///
/// # Errors
/// No such batch, or one that stands; one over which others were written, where that is not wanted.
pub async fn to_redo(client: &Client, clinic: &ClinicName, name: &str, over: bool) -> Result<Batch> {
    let batches = ledger_of(client, clinic).await?;
    let latest = batches.iter().rev().find(|batch| batch.status == "rolled_back");
    let batch = match (name, latest) {
        ("last", Some(batch)) => batch,
        ("last", None) => {
            return Err(Failure::failed(t!("rollback.none_rolled_back", clinic = clinic))
                .hint(t!("rollback.none_rolled_back_hint", clinic = clinic))
                .into());
        }
        _ => named(&batches, clinic, name)?,
    };
    if batch.status == "rolled_back" {
        return match over {
            true => Ok(batch.clone()),
            false => nothing_later(&batches, batch, clinic).map(|()| batch.clone()).map_err(Into::into),
        };
    }
    let status = match batch.status.as_str() {
        "completed" => t!("rollback.stands"),
        "running" => t!("rollback.runs"),
        _ => t!("rollback.wrote_nothing"),
    };
    let failure = Failure::failed(t!("rollback.not_rolled_back", batch = batch.id, status = status));
    Err(failure.hint(format!("trasvase push {clinic} --snapshot {}", short(&batch.snapshot))).into())
}

/// Refuses a batch whose snapshot is older than what stands in its tables. What was pushed before it, and again after it,
/// is older than it.
fn nothing_later(batches: &[Batch], batch: &Batch, clinic: &ClinicName) -> Result<(), Failure> {
    let tables = batch.held();
    let first = |one: &Batch| {
        let same = batches.iter().find(|other| other.snapshot == one.snapshot && other.status != "failed");
        same.map_or(one.number, |first| first.number)
    };
    let later: Vec<(&Batch, u64)> = batches
        .iter()
        .filter(|one| one.number > batch.number && one.status == "completed" && one.origin == batch.origin)
        .filter(|one| first(one) > batch.number)
        .map(|one| (one, one.rows_in(&tables)))
        .filter(|(_, rows)| *rows > 0)
        .collect();
    let Some((oldest, _)) = later.first() else { return Ok(()) };
    let told = later.iter().map(|(one, rows)| {
        let (snapshot, at) = (short(&one.snapshot), &one.ended_at);
        t!("rollback.later", batch = one.id, at = at, snapshot = snapshot, rows = rows).into_owned()
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let (id, oldest) = (&batch.id, &oldest.id);
    Err(Failure::failed(t!("rollback.over_later", batch = id, batches = told))
        .hint(t!("rollback.over_later_back", clinic = clinic, batch = oldest))
        .hint(t!("rollback.over_later_hint", clinic = clinic, batch = id)))
}

/// The batches whose snapshots give again what these, the newest first, had made of the target; in the order in which they
/// are pushed. A snapshot is whole: an earlier one is wanted only for tables that no later one holds.
pub fn again(batches: &[Batch]) -> Vec<&Batch> {
    let mut held: BTreeSet<(&str, &String)> = BTreeSet::new();
    let mut again: Vec<&Batch> = Vec::new();
    for batch in batches {
        let before = held.len();
        held.extend(batch.held().into_iter().map(|table| (batch.origin.as_str(), table)));
        if held.len() > before || again.is_empty() {
            again.push(batch);
        }
    }
    again.reverse();
    again
}

fn short(snapshot: &str) -> &str {
    snapshot.get(..12).unwrap_or(snapshot)
}

/// The batch that is named and those that were built on it, or all that stand, the oldest first.
///
/// # Errors
/// A batch that does not stand; one on which later ones were built, unless those shall go too.
pub(super) async fn chosen(options: &Options<'_>) -> Result<Vec<Batch>> {
    let (client, clinic) = (options.client, &options.clinic.name);
    let batches = ledger_of(client, clinic).await?;
    let (name, cascade) = match options.which {
        Which::Only(name) => (name, false),
        Which::Cascade(name) => (name, true),
        Which::Every(_) => {
            // Of one that was purged goes what it is known to have inserted; the rest is a conflict.
            let forced = options.edited == Edited::Force;
            let left = left::batches(client, clinic, options.catalog, forced).await?;
            let chosen = |batch: &Batch| batch.status == "completed" || left.contains(&batch.number);
            let chosen = batches.into_iter().filter(chosen);
            return Ok(chosen.map(|batch| Batch { left: batch.status != "completed", ..batch }).collect());
        }
    };
    let batch = named(&batches, clinic, name)?;
    refuse_status(batch, clinic)?;
    let mut chosen = vec![batch.clone()];
    let mut built = Vec::new();
    for later in batches.iter().filter(|one| one.number > batch.number && one.status == "completed") {
        let rows = built::on(options, &chosen, later).await?;
        if rows > 0 {
            refuse_status(later, clinic)?;
            built.push(t!("rollback.built", batch = later.id, rows = rows).into_owned());
            chosen.push(later.clone());
        }
    }
    if built.is_empty() || cascade {
        return Ok(chosen);
    }
    Err(Failure::failed(t!("rollback.built_on", batch = batch.id, batches = built.join("; ")))
        .hint(t!("rollback.built_on_hint"))
        .hint(format!("trasvase rollback {clinic} {} --cascade", batch.id))
        .into())
}

fn refuse_status(batch: &Batch, clinic: &ClinicName) -> Result<(), Failure> {
    match batch.status.as_str() {
        "completed" if !batch.is_known() => Err(Failure::failed(t!("rollback.purged", batch = batch.id))
            .hint(t!("rollback.purged_hint", clinic = clinic))),
        "completed" => Ok(()),
        "rolled_back" => {
            let (at, who) = batch.rolled_back.clone().unwrap_or_default();
            Err(Failure::failed(t!("rollback.twice", batch = batch.id, at = at, who = who))
                .hint(batches::again(batch, clinic)))
        }
        "running" => Err(Failure::failed(t!("rollback.running", batch = batch.id))
            .hint(t!("rollback.running_hint", clinic = clinic))),
        _ => {
            Err(Failure::failed(t!("rollback.failed", batch = batch.id))
                .hint(format!("trasvase log {clinic}")))
        }
    }
}

/// Their numbers, for a list in SQL.
pub(super) fn numbers(batches: &[Batch]) -> String {
    batches.iter().map(|batch| batch.number.to_string()).collect::<Vec<_>>().join(", ")
}
