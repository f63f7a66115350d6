//! What the ledger says of one table's rows, beside what the target holds of them, in temporary tables.
//!
//! `trasvase_back_<place>` has a row for each row that the batches wrote: its key as it is now, how it was before (none where
//! it was inserted), what is to be done with it, and what speaks against that. `trasvase_image_<place>` holds the rows that
//! come back, with the columns that they had.

use anyhow::Result;
use rust_i18n::t;
use tokio_postgres::Client;

use super::batch::{self, Batch};
use super::{Edited, Options, left};
use crate::codec::TableCodec;
use crate::error::{self, Failure, Kind};
use crate::model::catalog::{Catalog, Identity, Table};
use crate::model::ident::{TableName, quoted};
use crate::pg::execute;
use crate::pg::ledger::{self, STORED, Shape};

/// Below so many rows a table is emptied row by row: that wants no stronger lock.
const EMPTIED_ROWS: u64 = 10_000;

/// One table that the batches wrote.
pub(super) struct Work<'a> {
    pub(super) place: usize,
    pub(super) table: TableName,
    pub(super) live: &'a Table,
    shape: Shape,
    /// SQL of the key on alias `t`.
    pub(super) key: String,
    /// SQL of the digest of the whole row, as the ledger has it.
    digest: String,
    /// The columns of rows that come back.
    pub(super) columns: Vec<String>,
    /// Every row of the table is one that goes, as it was written, so the table is emptied as a whole.
    pub(super) whole: bool,
    pub(super) counts: Counts,
}

/// How many rows of a table are to be done what with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) deletes: u64,
    pub(super) updates: u64,
    pub(super) inserts: u64,
    /// Written by the batch, and gone already.
    pub(super) gone: u64,
}

impl<'a> Work<'a> {
    /// # Errors
    /// A table or a column that is not there any more: rows cannot be compared with what they were, or not come back whole.
    pub(super) fn new(
        place: usize,
        table: TableName,
        batches: &[Batch],
        catalog: &'a Catalog,
    ) -> Result<Self, Failure> {
        let gone = |what: String| Failure::new(Kind::NotComparable, t!("rollback.gone", what = what));
        let found = catalog.table(&table).zip(batch::shape(batches, &table, catalog));
        let (live, shape) = found.ok_or_else(|| gone(table.to_string()))?;
        if let Some(column) = shape.columns.iter().find(|column| live.column(column).is_none()) {
            return Err(gone(format!("{table}.{column}")));
        }
        let key = match TableCodec::of_columns(live, &shape.key, &shape.key) {
            Ok(codec) if !shape.key.is_empty() => codec.key_sql("t"),
            _ => "t.ctid::text".to_owned(),
        };
        // A row whose digest cannot be computed counts as changed.
        let digest = TableCodec::of_columns(live, &shape.columns, &shape.key)
            .map_or_else(|_| "null::bytea".to_owned(), |codec| codec.digest_sql("t"));
        let counts = Counts::default();
        Ok(Self { place, table, live, shape, key, digest, columns: Vec::new(), whole: false, counts })
    }

    pub(super) fn back(&self) -> String {
        format!("pg_temp.trasvase_back_{}", self.place)
    }

    pub(super) fn image(&self) -> String {
        format!("pg_temp.trasvase_image_{}", self.place)
    }

    /// The temporary table of rows that were left before, where batches of such rows are taken back: batch and key.
    pub(super) fn left_table(&self) -> String {
        format!("trasvase_left_{}", self.place)
    }

    /// Rows that are to be inserted or updated.
    pub(super) fn restores(&self) -> u64 {
        self.counts.updates + self.counts.inserts
    }

    /// A join of the row `t` with the ledger's row `b`.
    pub(super) fn same_key(&self) -> String {
        format!("({}) collate \"C\" = b.key", self.key)
    }

    /// Whether its rows can be told apart by a key of their own.
    pub(super) fn has_key(&self) -> bool {
        !self.shape.key.is_empty()
    }

    /// Whether all rows of the table are the batch's own, inserted and as they were stored. `total` are the batch's rows in
    /// all tables.
    pub(super) async fn is_whole(&self, client: &Client, batch: i32, total: u64) -> Result<bool> {
        let plain = self.live.owned && !self.live.partitioned && !self.live.partition_child;
        if total < EMPTIED_ROWS || !plain || !self.has_key() {
            return Ok(false);
        }
        let (table, code) = (self.table.quoted(), ledger::code_sql(&self.table.to_string()));
        let ours = format!("d.batch = {batch} and d.target_table = {code}");
        let sql = format!(
            "select n, (select count(*) from (select 1 from {table} limit n + 1) one), \
             exists (select 1 from trasvase.change d where {ours}) \
             from (select count(*) as n from trasvase.row_digest d where {ours}) written"
        );
        let row = client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        let (written, there, changed): (i64, i64, bool) = (row.get(0), row.get(1), row.get(2));
        if written != there || changed {
            return Ok(false);
        }
        // As a filter the digest is computed once a row, and by several processes.
        let sql = format!(
            "select count(*) filter (where {STORED} = {}) from {table} t join trasvase.row_digest d on {ours} and d.key = ({}) collate \"C\"",
            self.digest, self.key
        );
        let row = client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        Ok(row.get::<_, i64>(0) == written)
    }

    /// Makes the temporary tables.
    pub(super) async fn stage(
        &mut self,
        options: &Options<'_>,
        batches: &[Batch],
        version: i32,
    ) -> Result<()> {
        let (client, back) = (options.client, self.back());
        if batches.iter().any(|batch| batch.left) {
            let forced = options.edited == Edited::Force;
            let rows = left::rows(&options.clinic.name, &self.table, &self.key, forced);
            let left = format!("create temporary table {} on commit drop as {rows}", self.left_table());
            execute(client, &left).await?;
        }
        let sql = format!(
            "create temporary table {} on commit drop as {}; analyze {back}",
            back.trim_start_matches("pg_temp."),
            self.compared(batches, version)
        );
        execute(client, &sql).await?;
        let sql = format!("select distinct columns from {back} where before is not null");
        let lists = client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        self.columns = match lists.as_slice() {
            [] => self.shape.columns.clone(),
            [one] => one.get(0),
            _ => return Err(Failure::failed(t!("rollback.two_shapes", table = self.table)).into()),
        };
        if let Some(column) = self.columns.iter().find(|column| self.live.column(column).is_none()) {
            let what = format!("{}.{column}", self.table);
            return Err(Failure::new(Kind::NotComparable, t!("rollback.gone", what = what)).into());
        }
        self.make_image(client).await
    }

    /// Text becomes a row by a type of its own: the table may have other columns by now.
    async fn make_image(&self, client: &Client) -> Result<()> {
        let (place, table) = (self.place, self.table.quoted());
        let columns = self.columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "create temporary table trasvase_shape_{place} on commit drop as select {columns} from {table} with no data; \
             create temporary table trasvase_image_{place} on commit drop as \
             select b.key as trasvase_key, (b.image).* from (select key, before::pg_temp.trasvase_shape_{place} as image \
             from {} where before is not null and (act is not null or conflict is not null) offset 0) b; \
             analyze {}",
            self.back(),
            self.image()
        );
        execute(client, &sql).await
    }

    /// What the ledger knows of each row: the key as it is now, how it was, and what it was left as.
    fn known(&self, batches: &[Batch], version: i32) -> String {
        let (left, whole): (Vec<Batch>, Vec<Batch>) = batches.iter().cloned().partition(|batch| batch.left);
        let code = ledger::code_sql(&self.table.to_string());
        let rows = |table: &str, key: &str| {
            let whole = if whole.is_empty() { "null".to_owned() } else { batch::numbers(&whole) };
            let left = match left.is_empty() {
                true => String::new(),
                false => format!(
                    " or (batch, {key}) in (select l.batch, l.key from pg_temp.{} l)",
                    self.left_table()
                ),
            };
            format!("trasvase.{table} where (batch in ({whole}){left}) and target_table = {code}")
        };
        let (now, after) = match version {
            ..=1 => ("key", "null::bytea"),
            _ => ("coalesce(key_after, key)", "after"),
        };
        let (digests, changes) = (rows("row_digest", "key"), rows("change", now));
        let entries = format!(
            "select coalesce(c.batch, d.batch) as batch, coalesce(c.now, d.key) as key, c.before, c.columns, c.action, d.stored, c.after \
             from (select batch, key, coalesce(stored, sent) as stored from {digests}) d \
             full join (select batch, {now} as now, before, columns, action, {after} as after from {changes}) c \
             on c.batch = d.batch and c.now = d.key"
        );
        if batches.len() == 1 {
            return format!(
                "select *, batch as first, null::bytea as left_as, null::text as last from ({entries}) entries"
            );
        }
        // A later batch may have taken over a row as a rollback left it, and not changed it: what people did to it before is
        // theirs still.
        let of_left = if left.is_empty() { "null".to_owned() } else { batch::numbers(&left) };
        format!(
            "with entries as ({entries}) select newest.batch, oldest.batch as first, key, oldest.before, oldest.columns, newest.action, newest.stored, newest.after, was.stored as left_as, newest.before as last \
             from (select distinct on (key) * from entries order by key, batch) oldest \
             join (select distinct on (key) * from entries order by key, batch desc) newest using (key) \
             left join (select distinct on (key) key, stored from entries where batch in ({of_left}) and stored is not null \
             order by key, batch desc) was using (key)"
        )
    }

    /// The rows with what is to be done, and what speaks against it.
    ///
    /// A row that went with a golden id after it was re-pointed has neither a digest nor an after-image; in a ledger that does
    /// not note these, it counts as changed.
    fn compared(&self, batches: &[Batch], version: i32) -> String {
        let name = self.table.to_string();
        let mixed: Vec<Batch> = batches.iter().filter(|batch| batch.mixes(&name)).cloned().collect();
        let purged = match mixed.is_empty() {
            true => "false".to_owned(),
            false => format!("(b.before is null and b.first in ({}))", batch::numbers(&mixed)),
        };
        let unknown = version <= 1 || batches.iter().any(|batch| batch.shape.is_none()) || !self.has_key();
        format!(
            "with known as ({known}), \
             states as (select b.key, b.before, b.columns, t.ctid is not null as there, \
             b.stored is not null or b.after is not null or ({unknown} and b.action = 'update') as expected, \
             case when b.stored is not null then b.stored = {digest} and coalesce(b.left_as = {digest} or b.last <> (t.*)::text, true) \
             when b.after is not null then b.after = sha256(convert_to((t.*)::text, 'UTF8')) else false end as same, \
             (b.before = (t.*)::text) is true as done, {purged} as purged \
             from known b left join {table} t on {same_key}) \
             select key, before, columns, there, \
             case when done or purged or before is null and not (there and expected) then null \
             when before is null then 'delete' when there then 'update' else 'insert' end as act, \
             case when done or before is null and not (there and expected) then null \
             when purged then 'purged' \
             when expected and there and not same then 'edited' \
             when expected and not there then 'deleted' \
             when there and not expected then 'occupied' end as conflict, \
             before is null and expected and not there as gone, null::text as shared from states",
            known = self.known(batches, version),
            digest = self.digest,
            table = self.table.quoted(),
            same_key = self.same_key(),
        )
    }

    /// Counts what is to be done; of a table that is emptied, all of it.
    pub(super) async fn count(&mut self, client: &Client) -> Result<()> {
        let sql = match self.whole {
            true => format!("select count(*), 0::bigint, 0::bigint, 0::bigint from {}", self.table.quoted()),
            false => format!(
                "select count(*) filter (where act = 'delete'), count(*) filter (where act = 'update'), \
                 count(*) filter (where act = 'insert'), count(*) filter (where gone) from {}",
                self.back()
            ),
        };
        let row = client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        let count = |place| u64::try_from(row.get::<_, i64>(place));
        self.counts = Counts { deletes: count(0)?, updates: count(1)?, inserts: count(2)?, gone: count(3)? };
        Ok(())
    }

    /// The columns that may be written; `changed` leaves those out that an UPDATE may not touch.
    pub(super) fn written(&self, changed: bool) -> Vec<&String> {
        let may = |name: &&String| {
            self.live
                .column(name)
                .is_some_and(|column| !(column.generated || changed && column.identity == Identity::Always))
        };
        self.columns.iter().filter(may).collect()
    }
}
