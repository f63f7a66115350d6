//! How rows came to differ: what the ledger's batches wrote of them, took away, and had taken back.

use std::collections::HashMap;

use anyhow::Result;
use serde::Serialize;

use super::difference::Kind;
use super::population::Population;
use super::{Compared, Options};
use crate::codec::RowHash;
use crate::error;
use crate::model::ident::literal;
use crate::pg::ledger::STORED;

/// What the ledger says of a row that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The snapshot's row was never sent: an older one was kept, or there is none.
    Unsent,
    /// It was sent, and has been as it is from that moment on: a trigger changed it.
    Rewritten,
    /// A batch after the snapshot's wrote it as it is, or took it away.
    Overwritten,
    /// The batch that had sent it, or had deleted it, was taken back.
    TakenBack,
    /// Somebody changed it since a batch stored it.
    Edited,
    /// A batch stored it, and somebody deleted it since.
    Deleted,
    /// It is left so by what clinic.toml says of people's values and deletions, and of rows that no record makes any more.
    Stands,
    /// Nothing makes it any more, but people changed it or made it, and that stands.
    Theirs,
    /// Nothing makes it any more, but rows that stay refer to it.
    Held,
    /// Its record is rejected now, and what was pushed of it stays.
    Rejected,
    /// It stays since nobody can tell what became of its record.
    Unread,
    /// Another row has its key, which is the snapshot's.
    Doubled,
    /// People and the source changed the same value, and clinic.toml wants a decision.
    Conflict,
}

impl Cause {
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Unsent => "unsent",
            Cause::Rewritten => "rewritten",
            Cause::Overwritten => "overwritten",
            Cause::TakenBack => "taken_back",
            Cause::Edited => "edited",
            Cause::Deleted => "deleted",
            Cause::Stands => "stands",
            Cause::Theirs => "theirs",
            Cause::Held => "held",
            Cause::Rejected => "rejected",
            Cause::Unread => "unread",
            Cause::Doubled => "doubled",
            Cause::Conflict => "conflict",
        }
    }

    /// Whether people did it after the load, so that the load itself was right.
    pub fn is_later(self) -> bool {
        matches!(self, Cause::Edited | Cause::Deleted) || self.is_by_policy()
    }

    /// Whether a push leaves it so by the clinic's settings.
    pub fn is_by_policy(self) -> bool {
        self.stands() || self == Cause::Conflict
    }

    /// Whether it is so by the clinic's settings, and nobody has to decide anything.
    pub fn stands(self) -> bool {
        matches!(self, Cause::Stands | Cause::Theirs | Cause::Held | Cause::Rejected | Cause::Unread)
    }

    /// Whether other batches than the snapshot's made it so.
    pub fn is_by_batch(self) -> bool {
        matches!(self, Cause::Overwritten | Cause::TakenBack)
    }
}

/// A batch by which rows are other than the snapshot's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ByBatch {
    /// ULID.
    pub batch: String,
    pub snapshot: String,
    /// It was taken back; else it stands, and wrote the rows after the snapshot's batch.
    pub taken_back: bool,
    /// When, RFC 3339.
    pub at: String,
}

/// Why a row differs, and the batch that made it so, if one did.
pub(super) type Reason = (Option<Cause>, Option<i32>);

/// What the clinic's batches did to rows.
pub(super) struct Deeds {
    rows: HashMap<String, OfRow>,
    /// The last batch that stands of this very snapshot.
    pushed: Option<i32>,
}

#[derive(Default)]
struct OfRow {
    /// The oldest first.
    written: Vec<Written>,
    /// The last batch that changed it or took it away.
    changed: Option<i32>,
    /// Batches that were taken back, the oldest first, with the digests that they had sent.
    taken_back: Vec<(i32, Vec<u8>)>,
    /// The digests of the whole row that batches of other origins stored, which filled columns in; the oldest first.
    filled: Vec<(i32, Vec<u8>)>,
    /// The last batch that had deleted it and was taken back, and the last one that was without putting every row back.
    deleted: Option<i32>,
    not_put_back: Option<i32>,
    /// The last batch that was taken back without it: people had edited it, or rows that stay need it.
    left_behind: Option<i32>,
}

struct Written {
    batch: i32,
    /// The digest of what was sent, and that of the whole row as it was stored.
    sent: Vec<u8>,
    stored: Vec<u8>,
}

impl Deeds {
    /// Reads what the ledger knows of these keys.
    pub(super) async fn read(
        options: &Options<'_>,
        compared: &Compared<'_>,
        population: &Population,
        keys: &[&str],
    ) -> Result<Self> {
        let mut rows: HashMap<String, OfRow> = HashMap::new();
        let ask = async |which: &Option<String>, sql: &str| match which {
            Some(which) => {
                let sql = sql.replace("{which}", which);
                options.client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))
            }
            None => Ok(Vec::new()),
        };
        let entry = &compared.entry;
        let digests = format!(
            "select d.key, d.batch, d.sent, {STORED} from trasvase.row_digest d \
             where {{which}} and d.key = any($1) order by d.batch"
        );
        for row in ask(&population.known(entry), &digests).await? {
            let written = Written { batch: row.get(1), sent: row.get(2), stored: row.get(3) };
            rows.entry(row.get(0)).or_default().written.push(written);
        }
        for row in ask(&population.taken_back(entry), &digests).await? {
            rows.entry(row.get(0)).or_default().taken_back.push((row.get(1), row.get(2)));
        }
        let left = "select d.key, max(d.batch) from trasvase.left_behind d where {which} and d.key = any($1) group by d.key";
        for row in ask(&population.left_behind(entry), left).await? {
            rows.entry(row.get(0)).or_default().left_behind = row.get(1);
        }
        let changed = "select d.key, max(d.batch) from trasvase.change d where {which} and d.key = any($1) group by d.key";
        for row in ask(&population.known(entry), changed).await? {
            rows.entry(row.get(0)).or_default().changed = row.get(1);
        }
        let filled = format!(
            "select d.key, d.batch, {STORED} from trasvase.row_digest d where {{which}} and d.key = any($1) order by d.batch"
        );
        for row in ask(&population.by_others(entry), &filled).await? {
            rows.entry(row.get(0)).or_default().filled.push((row.get(1), row.get(2)));
        }
        let deleted = format!(
            "select d.key, max(d.batch), max(d.batch) filter (where (to_jsonb(b) #> array['rolled_back', {}, 'left'])::bigint > 0) \
             from trasvase.change d join trasvase.batch b on b.number = d.batch \
             where {{which}} and d.key = any($1) and d.action = 'delete' group by d.key",
            literal(&entry.table.to_string())
        );
        for row in ask(&population.taken_back(entry), &deleted).await? {
            let of_row = rows.entry(row.get(0)).or_default();
            (of_row.deleted, of_row.not_put_back) = (row.get(1), row.get(2));
        }
        Ok(Self { rows, pushed: population.pushed() })
    }

    /// Whether a batch that stands wrote the row.
    pub(super) fn wrote(&self, key: &str) -> bool {
        self.rows.get(key).is_some_and(|row| !row.written.is_empty())
    }

    /// How a row came to differ: `digest` is the snapshot's, `now` that of the whole row as it is, where it can be told.
    pub(super) fn reason(
        &self,
        key: &str,
        kind: Kind,
        digest: Option<&RowHash>,
        now: Option<&[u8]>,
    ) -> Reason {
        let none = OfRow::default();
        let row = self.rows.get(key).unwrap_or(&none);
        match kind {
            Kind::Missing => row.missing(),
            Kind::Kept => (row.left_behind.map(|_| Cause::TakenBack), row.left_behind),
            Kind::Extra => row.extra(now, self.pushed),
            Kind::Different => row.different(digest, now, self.pushed),
        }
    }
}

impl OfRow {
    fn last(&self) -> Option<i32> {
        self.written.last().map(|one| one.batch)
    }

    /// The last batch that was taken back after the last one that stands, if it sent this.
    fn back(&self, digest: Option<&RowHash>) -> Option<i32> {
        let (batch, sent) = self.taken_back.last()?;
        let same = digest.is_none_or(|digest| sent == digest);
        (same && Some(*batch) > self.last()).then_some(*batch)
    }

    /// Whether the row is as a batch stored it, or as one of another origin left it after that.
    fn is_as_left(&self, one: &Written, now: &[u8]) -> bool {
        one.stored == now || self.filled.iter().any(|(batch, stored)| *batch > one.batch && stored == now)
    }

    fn missing(&self) -> Reason {
        if let Some(batch) = self.back(None) {
            return (Some(Cause::TakenBack), Some(batch));
        }
        match self.last() {
            None => (Some(Cause::Unsent), None),
            last if self.changed > last => (Some(Cause::Overwritten), self.changed),
            last if self.not_put_back > last => (Some(Cause::Overwritten), self.not_put_back),
            Some(_) => (Some(Cause::Deleted), None),
        }
    }

    fn extra(&self, now: Option<&[u8]>, pushed: Option<i32>) -> Reason {
        let Some(now) = now else { return (None, None) };
        match self.written.iter().rev().find(|one| self.is_as_left(one, now)) {
            None => (Some(Cause::Edited), None),
            Some(one) if pushed.is_some_and(|pushed| pushed < one.batch) => {
                (Some(Cause::Overwritten), Some(one.batch))
            }
            Some(one) if self.deleted > Some(one.batch).max(pushed) => (Some(Cause::TakenBack), self.deleted),
            Some(_) => (None, None),
        }
    }

    fn different(&self, digest: Option<&RowHash>, now: Option<&[u8]>, pushed: Option<i32>) -> Reason {
        if let Some(batch) = self.back(digest) {
            return (Some(Cause::TakenBack), Some(batch));
        }
        let is_now = |one: &Written| now.is_some_and(|now| self.is_as_left(one, now));
        let ours = |one: &&Written| digest.is_some_and(|digest| one.sent == digest);
        let sent = self.written.iter().rfind(ours).map(|one| one.batch);
        let since = sent.max(pushed);
        match self.written.last() {
            Some(last) if since.is_some() && Some(last.batch) > since && is_now(last) => {
                (Some(Cause::Overwritten), Some(last.batch))
            }
            _ if sent.is_none() => (Some(Cause::Unsent), None),
            _ if self.written.iter().filter(ours).any(is_now) => (Some(Cause::Rewritten), None),
            _ => (Some(Cause::Edited), None),
        }
    }
}
