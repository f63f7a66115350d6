//! Whose rows are compared: those that the ledger's completed batches of this clinic wrote.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::Result;
use serde_json::Value;
use tokio_postgres::{Client, Row};

use super::cause::ByBatch;
use super::{Compared, TheirTable};
use crate::codec::TableCodec;
use crate::error;
use crate::model::catalog::Table;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::manifest::{Manifest, TableEntry, Tenant};
use crate::pg::{batches, ledger, origins};

/// So many rows of others are sooner told apart one by one than by a join of all.
const FEW: u64 = 20;

/// The clinic's completed batches.
pub(super) struct Population {
    /// Those whose rows are compared.
    batches: Vec<i32>,
    /// Also those before them.
    known: Vec<i32>,
    /// Those that were taken back.
    taken_back: Vec<i32>,
    /// Those that stand, of other origins.
    of_others: Vec<i32>,
    /// The ledger knows which rows were left then.
    knows_left: bool,
    /// The last one of this very snapshot.
    pushed: Option<i32>,
    /// By number, what they are called.
    names: BTreeMap<i32, ByBatch>,
    /// By table, a query of the keys of rows that only batches of other origins wrote, where there are some.
    others: BTreeMap<TableName, String>,
    /// The ledger's codes of table names.
    codes: BTreeMap<String, i32>,
    /// Tables into which a batch inserted every row of this very snapshot.
    inserted: BTreeSet<TableName>,
    tenant: Option<Tenant>,
    /// The days on which they wrote, as `2024-03-01`.
    days: (String, String),
}

impl Population {
    /// With `since`, only the batches after that one, given by the beginning of its id or as `last`.
    pub(super) async fn read(client: &Client, manifest: &Manifest, since: Option<&str>) -> Result<Self> {
        let after = match since {
            Some(name) => {
                let batches = batches::list(client, &manifest.clinic).await?;
                batches::named(&batches, &manifest.clinic, name)?.number
            }
            None => 0,
        };
        let (clinic, origin) = (manifest.clinic.as_str(), manifest.origin);
        let sql = format!(
            "select number, case when snapshot = $2 then counts::text end, started_at::date::text, \
             coalesce(ended_at, started_at)::date::text, status = 'completed', id, snapshot, \
             to_char(coalesce((to_jsonb(batch) ->> 'rolled_back_at')::timestamptz, ended_at, started_at) at time zone 'UTC', \
             'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from trasvase.batch \
             where clinic = $1 and status in ('completed', 'rolled_back') and {} order by number",
            origins::is_sql("batch", origin)
        );
        let rows = client.query(&sql, &[&clinic, &manifest.id]).await;
        let rows = rows.map_err(|error| error::postgres(&error))?;
        let names = rows.iter().map(|row| {
            let (batch, snapshot, taken_back, at) =
                (row.get(5), row.get(6), !row.get::<_, bool>(4), row.get(7));
            (row.get(0), ByBatch { batch, snapshot, taken_back, at })
        });
        let names: BTreeMap<i32, ByBatch> = names.collect();
        let (rows, back): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.get(4));
        let known = rows.iter().map(|row| row.get(0)).collect();
        let pushed = rows.iter().rev().find(|row| row.get::<_, Option<&str>>(1).is_some());
        let pushed = pushed.map(|row| row.get(0));
        let rows: Vec<Row> = rows.into_iter().filter(|row| row.get::<_, i32>(0) > after).collect();
        let knows_left = ledger::knows_left(client).await?;
        let sql = format!(
            "select number from trasvase.batch where clinic = $1 and status = 'completed' and not {} order by number",
            origins::is_sql("batch", origin)
        );
        let of_others = client.query(&sql, &[&clinic]).await.map_err(|error| error::postgres(&error))?;
        let of_others = of_others.iter().map(|row| row.get(0)).collect();
        let mut others = BTreeMap::new();
        for entry in &manifest.tables {
            let keys = origins::keys_of_others(client, clinic, origin, &entry.table).await?;
            others.extend(keys.map(|keys| (entry.table.clone(), keys)));
        }
        // What an earlier batch wrote is none of a later one's.
        let counts = rows.iter().filter(|_| since.is_none()).filter_map(|row| row.get::<_, Option<&str>>(1));
        let counts = counts.map(serde_json::from_str);
        let counts = counts.collect::<serde_json::Result<Vec<Value>>>()?;
        let inserted = |entry: &&TableEntry| {
            let name = entry.table.to_string();
            counts.iter().any(|counts| counts[&name]["inserted"] == entry.rows)
        };
        let codes = client
            .query("select name, code from trasvase.name", &[])
            .await
            .map_err(|error| error::postgres(&error))?;
        Ok(Self {
            batches: rows.iter().map(|row| row.get(0)).collect(),
            known,
            of_others,
            knows_left,
            taken_back: back.iter().map(|row| row.get(0)).collect(),
            pushed,
            names,
            others,
            codes: codes.iter().map(|row| (row.get(0), row.get(1))).collect(),
            inserted: manifest.tables.iter().filter(inserted).map(|entry| entry.table.clone()).collect(),
            tenant: manifest.tenant.clone(),
            days: match (rows.first(), rows.last()) {
                (Some(first), Some(last)) => (first.get(2), last.get(3)),
                _ => ("infinity".to_owned(), "infinity".to_owned()),
            },
        })
    }

    /// The first and the last day on which the batches wrote.
    pub(super) fn days(&self) -> (&str, &str) {
        (&self.days.0, &self.days.1)
    }

    /// The keys of a table's rows that the batches wrote.
    pub(super) async fn keys(&self, client: &Client, entry: &TableEntry) -> Result<HashSet<String>> {
        let Some(written) = self.written(entry) else { return Ok(HashSet::new()) };
        let sql = format!("select distinct d.key from trasvase.row_digest d where {written}");
        let rows = client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The ledger holds every row of the snapshot's table.
    pub(super) fn filled(&self, entry: &TableEntry) -> bool {
        self.inserted.contains(&entry.table)
    }

    /// It does, and the table has hardly another number of rows: it is compared as it is, without a join that says whose each
    /// row is. Rows that the snapshot does not have are then asked about.
    pub(super) fn holds_all(&self, entry: &TableEntry, rows: u64) -> bool {
        self.filled(entry) && rows.abs_diff(entry.rows) <= FEW
    }

    /// A condition on alias `d` of `trasvase.row_digest`: the clinic's rows of a table; none where it has none.
    fn written(&self, entry: &TableEntry) -> Option<String> {
        self.by(&self.batches, entry)
    }

    /// The same of all batches that stand, also those whose rows are not compared.
    pub(super) fn known(&self, entry: &TableEntry) -> Option<String> {
        self.by(&self.known, entry)
    }

    /// The same of those that were taken back.
    pub(super) fn taken_back(&self, entry: &TableEntry) -> Option<String> {
        self.by(&self.taken_back, entry)
    }

    /// The same of those of other origins that stand.
    pub(super) fn by_others(&self, entry: &TableEntry) -> Option<String> {
        self.by(&self.of_others, entry)
    }

    /// A condition on alias `d` of `trasvase.left_behind`: rows that were left when their batch was taken back.
    pub(super) fn left_behind(&self, entry: &TableEntry) -> Option<String> {
        self.taken_back(entry).filter(|_| self.knows_left)
    }

    fn by(&self, batches: &[i32], entry: &TableEntry) -> Option<String> {
        let code = self.codes.get(&entry.table.to_string()).filter(|_| !batches.is_empty());
        code.map(|code| ledger::written_by(batches, *code))
    }

    /// The last batch that stands of this very snapshot.
    pub(super) fn pushed(&self) -> Option<i32> {
        self.pushed
    }

    /// What people call a batch.
    pub(super) fn named(&self, batch: i32) -> Option<ByBatch> {
        self.names.get(&batch).cloned()
    }

    /// A condition on alias `t` that holds for the clinic's rows.
    pub(super) fn condition(&self, entry: &TableEntry, codec: &TableCodec) -> String {
        let exists = |written| {
            let key = codec.key_sql("t");
            format!("exists (select 1 from trasvase.row_digest d where {written} and d.key = {key})")
        };
        self.written(entry).map_or_else(|| "false".to_owned(), exists)
    }

    /// A condition on alias `t` that holds for rows with the clinic's value in the tenant column, if there is one; but for those
    /// that other origins' batches wrote, which are the clinic's and accounted for elsewhere.
    pub(super) fn tenanted(&self, entry: &TableEntry, table: &Table, codec: &TableCodec) -> Option<String> {
        let tenant = self.tenant.as_ref().filter(|tenant| table.column(&tenant.column).is_some())?;
        let ours = format!("t.{}::text = {}", quoted(&tenant.column), literal(&tenant.value));
        Some(match self.others.get(&entry.table) {
            None => ours,
            Some(others) => format!("({ours} and ({}) collate \"C\" not in ({others}))", codec.key_sql("t")),
        })
    }

    /// How many rows of the table rollbacks left that are as they were left, and that no batch which stands wrote.
    pub(super) async fn count_left(
        &self,
        client: &Client,
        entry: &TableEntry,
        codec: &TableCodec,
    ) -> Result<u64> {
        let Some(left) = self.left_behind(entry) else { return Ok(0) };
        let sql = format!("select exists (select 1 from trasvase.left_behind d where {left})");
        let row = client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        if !row.get::<_, bool>(0) {
            return Ok(0);
        }
        let known = self.known(entry).unwrap_or_else(|| "false".to_owned());
        let sql = format!(
            "select count(*) from (select distinct d.key, d.after from trasvase.left_behind d where {left}) l \
             join {} t on ({}) collate \"C\" = l.key \
             where (sha256(convert_to((t.*)::text, 'UTF8')) = l.after) is true \
             and not exists (select 1 from trasvase.row_digest d where {known} and d.key = l.key)",
            entry.table.quoted(),
            codec.key_sql("t"),
        );
        let row = client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        Ok(u64::try_from(row.get::<_, i64>(0))?)
    }

    /// How many rows the table has, and how many of them have the clinic's value in the tenant column, if there is one.
    pub(super) async fn count(
        &self,
        client: &Client,
        entry: &TableEntry,
        tenanted: Option<&str>,
    ) -> Result<(u64, Option<u64>)> {
        let sql = format!(
            "select count(*), count(*) filter (where {}) from {} t",
            tenanted.unwrap_or("false"),
            entry.table.quoted()
        );
        let row = client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        let of_tenant = u64::try_from(row.get::<_, i64>(1))?;
        Ok((u64::try_from(row.get::<_, i64>(0))?, tenanted.map(|_| of_tenant)))
    }
}

/// A WITH clause that shows only the clinic's rows to a query that names tables plainly; it may stand before any
/// SELECT, and a server that takes no writes takes it too. A table that holds no other rows is shown as it is.
pub(super) fn with_tables(compared: &[Compared<'_>], theirs: &[TheirTable]) -> String {
    let shown = |(compared, theirs): (&Compared<'_>, &TheirTable)| {
        let (name, table) = (quoted(&compared.entry.table.to_string()), compared.entry.table.quoted());
        let condition = if theirs.all_ours { "true" } else { &compared.condition };
        format!("{name} as not materialized (select t.* from {table} t where {condition})")
    };
    format!("with {}", compared.iter().zip(theirs).map(shown).collect::<Vec<_>>().join(", "))
}
