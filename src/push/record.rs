//! What a push writes into the ledger, in the data transaction: key map, digests, before-images.
//!
//! Each batch has partitions of its own, filled without indexes, indexed, then attached: PostgreSQL does that several
//! times faster than inserting into one indexed table (3 s against 17 s for 1,000,000 rows, DESIGN §5).
//!
//! Where every row is stored as it was sent (a first load), they are noted in pages, over a connection of their own while
//! the first one takes the rows; and the verdicts while it rebuilds the target's keys. Partitions are tables that nothing
//! refers to until the data transaction attaches them; those of a push that failed are dropped when its batch is settled.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::value::RawValue;
use tokio_postgres::Client;

use super::absent;
use super::compare::Context;
use super::merge;
use super::notes::{Form, Left, NoteFile, Notes, Way};
use super::pages::{EXTERNAL_ID, PAGE, Pages, ROW_DIGEST, STORAGE};
use super::rows;
use crate::codec::{TableCodec, column_digests};
use crate::model::ident::literal;
use crate::model::left_out;
use crate::model::manifest::TableEntry;
use crate::pg::copy::{
    Copy, append_bytes, append_integer, append_jsonb, append_text, append_text_or_null, append_texts,
};
use crate::pg::execute;
use crate::pg::ledger::{self, Batch, STORED};
use crate::snapshot::Row;

/// What batches have partitions for, and the partitioned tables.
const PARTITIONED: [(&str, &str); 4] = [
    ("external_id", "external_id_single"),
    ("row_digest", "row_digest_single"),
    ("page", "page"),
    ("record", "record"),
];

/// Indexes of the partitions. Digests are read a table at a time, and the key map as a whole but for `trace`, which can wait
/// for a tenth of a second for each 1,000,000 rows: a join hashes them, so an index over their keys would cost a second for
/// as many and be used by nothing.
const INDEXES: [(&str, &str); 3] = [
    ("row_digest", "brin (target_table) with (pages_per_range = 32)"),
    ("page", "btree (target_table)"),
    ("record", "btree (source, record)"),
];

/// The ledger of a running batch.
pub(super) struct Ledger<'a> {
    batch: i32,
    codes: BTreeMap<String, i32>,
    /// All rows are stored as they are sent.
    as_sent: bool,
    /// The connection over which the pages and the verdicts are written, if that is not the data transaction's.
    aside: Option<&'a Client>,
}

impl<'a> Ledger<'a> {
    /// Makes the batch's partitions and the codes of all names it will need.
    pub(super) async fn open(context: &Context<'a>, batch: &Batch, as_sent: bool) -> Result<Self> {
        let manifest = context.manifest();
        let mut names: BTreeSet<String> =
            manifest.tables.iter().map(|entry| entry.table.to_string()).collect();
        names.extend(manifest.sources.iter().map(|source| source.source.clone()));
        names.insert(manifest.product.clone());
        let names: Vec<String> = names.into_iter().collect();
        let codes = ledger::codes(context.client, &names).await?;
        let aside = context.aside.filter(|_| as_sent);
        if let Some(client) = aside {
            // The data transaction's own COMMIT waits for the disk, and so for all that was written before it.
            execute(client, "set maintenance_work_mem = '256MB'; set synchronous_commit = off").await?;
        }
        for (part, parent) in PARTITIONED {
            let sql = format!(
                "create table trasvase.{part}_{0} (like trasvase.{parent} including defaults, check (batch = {0}))",
                batch.number
            );
            execute(aside.unwrap_or(context.client), &sql).await?;
        }
        let sql = format!("alter table trasvase.page_{} {STORAGE}", batch.number);
        execute(aside.unwrap_or(context.client), &sql).await?;
        context
            .execute(
                "create temporary table trasvase_sent (batch integer, target_table integer, key text collate \"C\", sent bytea, \
                 columns bytea, type integer, source_id text collate \"C\", record text collate \"C\") on commit drop",
            )
            .await?;
        Ok(Self { batch: batch.number, codes, as_sent, aside })
    }

    /// Where a table's rows are noted while they are sent straight into it.
    pub(super) async fn notes(&self, context: &Context<'_>, entry: &TableEntry) -> Result<Notes> {
        let file = || NoteFile::new(context.snapshot.folder());
        let form = match (self.as_sent, self.aside) {
            (false, _) => Form::Single([file()?, file()?]),
            (true, None) => Form::Pages(Pages::default(), Way::File(file()?)),
            (true, Some(client)) => {
                Form::Pages(Pages::default(), Way::Copy(self.copy_pages(context, client, entry).await?))
            }
        };
        let columns = context.clinic.updates(&entry.table);
        Ok(Notes::new(form, entry.table.to_string(), self.codes.clone(), columns))
    }

    /// A COPY of [`PAGE`] into the batch's partition.
    async fn copy_pages(&self, context: &Context<'_>, client: &Client, entry: &TableEntry) -> Result<Copy> {
        start_copy(client, &self.partition("page"), PAGE, &self.whose(context, entry)).await
    }

    /// What is the same in everything that is noted of a table's rows (the first two) and of their records.
    fn whose(&self, context: &Context<'_>, entry: &TableEntry) -> [(&'static str, i32); 3] {
        let product = self.codes[&context.manifest().product];
        [("batch", self.batch), ("target_table", self.code(entry)), ("source", product)]
    }

    /// Takes what was noted into the batch's partitions, unless it is there; where PostgreSQL fills columns itself, the
    /// digests wait for [`Ledger::digests`].
    pub(super) async fn take(&self, context: &Context<'_>, entry: &TableEntry, notes: Notes) -> Result<()> {
        let (client, whose) = (context.client, self.whose(context, entry));
        match notes.finish().await? {
            Left::Nothing => Ok(()),
            Left::Pages(pages) => send(self.copy_pages(context, client, entry).await?, pages).await,
            Left::Single([external, digests]) => {
                send(
                    start_copy(client, &self.partition("external_id"), EXTERNAL_ID, &whose).await?,
                    external,
                )
                .await?;
                let into = match writes_all(context, entry) {
                    true => self.partition("row_digest"),
                    false => "trasvase_sent".to_owned(),
                };
                send(start_copy(client, &into, ROW_DIGEST, &whose[..2]).await?, digests).await
            }
        }
    }

    /// Fills the records' partition over the connection beside the data transaction's, if there is one, and indexes it and
    /// the pages'.
    pub(super) async fn end_aside(&self, context: &Context<'_>) -> Result<()> {
        let Some(client) = self.aside else { return Ok(()) };
        self.verdicts(context, client).await?;
        for part in ["page", "record"] {
            self.index(client, part).await?;
        }
        Ok(())
    }

    fn partition(&self, part: &str) -> String {
        format!("trasvase.{part}_{}", self.batch)
    }

    /// Takes the verdicts of the source records that the snapshot tells of into the batch's partition.
    async fn verdicts(&self, context: &Context<'_>, client: &Client) -> Result<()> {
        let into = format!(
            "copy trasvase.record_{} (batch, source, record, source_id, verdict, errors, duplicate_of, original) \
             from stdin (format binary)",
            self.batch
        );
        let mut copy = Copy::start(client, &into).await?;
        for entry in &context.manifest().records {
            let source = self.codes[&entry.source];
            for record in context.snapshot.source_records(entry)? {
                let record = record?;
                let out = copy.row(8);
                append_integer(out, Some(self.batch));
                append_integer(out, Some(source));
                append_text(out, &record.record);
                append_text_or_null(out, record.source_id.as_deref());
                append_text(out, &record.verdict);
                append_texts(out, &record.errors);
                append_text_or_null(out, record.duplicate_of.as_deref());
                append_jsonb(out, record.original.as_deref().map(RawValue::get));
                copy.flush_if_full().await?;
            }
        }
        copy.finish().await.map(drop)
    }

    /// Says of the records whose rows are left out that they are, and why.
    async fn left_out(&self, context: &Context<'_>) -> Result<()> {
        let rows = absent::all(context).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let primary = |source: &str| context.clinic.sources.get(source)?.primary.as_ref();
        let key = |entry: &TableEntry, row: &Row<'_>| {
            let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
            Ok(codec.key_text(&row.values))
        };
        let found = context.snapshot.records_left_out(&rows, primary, key)?;
        context
            .execute(
                "create temporary table trasvase_left_out (source integer, record text collate \"C\", source_id text, why text) \
                 on commit drop",
            )
            .await?;
        let mut copy =
            Copy::start(context.client, "copy trasvase_left_out from stdin (format binary)").await?;
        for one in found.iter().filter(|one| self.codes.contains_key(&one.source)) {
            let out = copy.row(4);
            append_integer(out, Some(self.codes[&one.source]));
            append_text(out, &one.record);
            append_text_or_null(out, one.source_id.as_deref());
            append_text(out, &one.why);
            copy.flush_if_full().await?;
        }
        copy.finish().await?;
        let (batch, verdict) = (self.batch, literal(left_out::VERDICT));
        context
            .execute(&format!(
                "update trasvase.record_{batch} r set verdict = {verdict}, errors = array[l.why] from trasvase_left_out l \
                 where r.source = l.source and r.record = l.record and r.verdict = 'imported'; \
                 insert into trasvase.record_{batch} (batch, source, record, source_id, verdict, errors) \
                 select {batch}, l.source, l.record, l.source_id, {verdict}, array[l.why] from trasvase_left_out l \
                 where not exists (select from trasvase.record_{batch} r where r.source = l.source and r.record = l.record)"
            ))
            .await
    }

    /// Calls those records skipped of which this batch wrote no row: they are unchanged.
    async fn skipped(&self, context: &Context<'_>) -> Result<()> {
        let batch = self.batch;
        context
            .execute(&format!(
                "update trasvase.record_{batch} r set verdict = 'skipped' where verdict = 'imported' and not exists \
                 (select from trasvase.external_id_{batch} e where e.type = r.source and e.record = r.record)"
            ))
            .await
    }

    async fn index(&self, client: &Client, part: &str) -> Result<()> {
        for (_, index) in INDEXES.iter().filter(|(of, _)| *of == part) {
            execute(client, &format!("create index on {} using {index}", self.partition(part))).await?;
        }
        Ok(())
    }

    fn code(&self, entry: &TableEntry) -> i32 {
        self.codes[&entry.table.to_string()]
    }

    /// Notes the digest and the origin of each row whose key is in the `touched` table of this place.
    pub(super) async fn rows(
        &self,
        context: &Context<'_>,
        entry: &TableEntry,
        codec: &TableCodec,
        place: usize,
    ) -> Result<()> {
        let mut copy = Copy::start(
            context.client,
            "copy trasvase_sent (target_table, key, sent, columns, type, source_id, record) from stdin (format binary)",
        )
        .await?;
        let mut reader = context.snapshot.rows(entry)?;
        let mut buffer = Vec::new();
        let mut number = 0;
        let (name, table) = (entry.table.to_string(), self.code(entry));
        let columns = context.clinic.updates(&entry.table);
        while let Some(row) = reader.next_row()? {
            number += 1;
            let digest = codec
                .digest(&row.values, &mut buffer)
                .map_err(|refused| rows::refused_value(entry, number, &refused))?;
            let external_id = row.external_id(&name);
            let out = copy.row(7);
            append_integer(out, Some(table));
            append_text(out, &codec.key_text(&row.values));
            append_bytes(out, Some(&digest));
            append_bytes(out, columns.then(|| column_digests(&buffer)).as_deref());
            append_integer(out, external_id.and_then(|(kind, _)| self.codes.get(kind)).copied());
            append_text_or_null(out, external_id.map(|(_, source_id)| source_id));
            append_text_or_null(out, row.origin.as_deref());
            copy.flush_if_full().await?;
        }
        copy.finish().await?;
        context
            .execute(&format!(
                "delete from trasvase_sent s where s.target_table = {table} and not exists \
                 (select 1 from trasvase_touched_{place} k where k.key = s.key)"
            ))
            .await
    }

    /// Writes the key map and, with the digest of each whole row as the server holds it now, the row digests of a table.
    pub(super) async fn digests(
        &self,
        context: &Context<'_>,
        entry: &TableEntry,
        codec: &TableCodec,
        (place, direct): (usize, bool),
    ) -> Result<()> {
        if direct && writes_all(context, entry) {
            return self.correct_stored(context, entry, codec).await;
        }
        let table = self.codes[&entry.table.to_string()];
        let stored = rows::whole(entry, &context.catalog.tables[&entry.table])?;
        let batch = self.batch;
        let rows = written(context, entry, (codec, &stored), place, direct);
        context
            .execute(&format!(
                "insert into trasvase.row_digest_{batch} (batch, target_table, key, sent, stored, columns, stored_columns) \
                 select {batch}, {table}, key, sent, nullif(whole, sent), columns, nullif(stored_columns, columns) \
                 from ({rows}) rows where target_table = {table}",
            ))
            .await?;
        context
            .execute(&format!(
                "insert into trasvase.external_id_{batch} (batch, source, target_table, {EXTERNAL_ID}) \
                 select {batch}, {}, {table}, s.type, s.source_id, s.key, s.record \
                 from trasvase_sent s where s.target_table = {table} and s.type is not null and s.source_id is not null",
                self.codes[&context.manifest().product],
            ))
            .await
    }

    /// Rows sent whole into an empty table are stored as they were sent, unless a trigger changed them: the server
    /// compares every one, in parallel since that only reads, and the digests of changed rows are written anew.
    async fn correct_stored(
        &self,
        context: &Context<'_>,
        entry: &TableEntry,
        codec: &TableCodec,
    ) -> Result<()> {
        let (batch, table) = (self.batch, self.code(entry));
        let same = format!("d.target_table = {table} and d.key = ({}) collate \"C\"", codec.key_sql("t"));
        let digest = codec.digest_sql("t");
        let target = entry.table.quoted();
        // As a filter of the count it is computed once a row; as a condition it would be a key of the join.
        let equal = context
            .count(&format!(
                "select count(*) filter (where {STORED} = {digest}) from {target} t join trasvase.row_digest_{batch} d on {same}"
            ))
            .await?;
        if equal == entry.rows {
            return Ok(());
        }
        // A row that a trigger did not let in is none that we wrote.
        context
            .execute(&format!(
                "update trasvase.row_digest_{batch} d set stored = {digest}, \
                 stored_columns = case when d.columns is not null then {columns} end \
                 from {target} t where {same} and {STORED} <> {digest}; \
                 delete from trasvase.row_digest_{batch} d where d.target_table = {table} and not exists (select 1 from {target} t where {same}); \
                 delete from trasvase.external_id_{batch} e where e.target_table = {table} and not exists \
                 (select 1 from {target} t where e.target_key = ({}) collate \"C\")",
                codec.key_sql("t"),
                columns = codec.column_digests_sql("t"),
            ))
            .await
    }

    /// Keeps rows as they are before they are changed: `from` is a FROM clause whose alias `t` is the table.
    pub(super) async fn before_images(
        &self,
        context: &Context<'_>,
        entry: &TableEntry,
        codec: &TableCodec,
        action: &str,
        from: &str,
    ) -> Result<()> {
        let columns: Vec<String> =
            context.catalog.tables[&entry.table].columns.iter().map(|column| literal(&column.name)).collect();
        context
            .execute(&format!(
                "insert into trasvase.change select {}, {}, {}, {}, array[{}], (t.*)::text from {from} on conflict do nothing",
                self.batch,
                self.codes[&entry.table.to_string()],
                codec.key_sql("t"),
                literal(action),
                columns.join(", "),
            ))
            .await
    }

    /// Tells the planner how many rows of each table there are, before [`Ledger::digests`] joins them.
    pub(super) async fn analyze(&self, context: &Context<'_>) -> Result<()> {
        context
            .execute(&format!(
                "analyze trasvase.external_id_{0}; analyze trasvase.row_digest_{0}",
                self.batch
            ))
            .await
    }

    /// Indexes the batch's partitions and attaches them. Statistics of the whole are what queries over several batches
    /// are planned by; nobody else would gather them.
    pub(super) async fn attach(&self, context: &Context<'_>) -> Result<()> {
        if self.aside.is_none() {
            self.verdicts(context, context.client).await?;
            // A first load writes the row of every record that has one.
            if !self.as_sent {
                self.left_out(context).await?;
                self.skipped(context).await?;
            }
            for (part, _) in PARTITIONED {
                self.index(context.client, part).await?;
            }
        }
        for (part, parent) in PARTITIONED {
            context
                .execute(&format!(
                    "alter table trasvase.{parent} attach partition trasvase.{part}_{0} for values in ({0}); \
                     analyze trasvase.{parent}",
                    self.batch
                ))
                .await?;
        }
        Ok(())
    }
}

/// SQL of the rows that were sent, with what the server holds of them now; of values that stand, with the digests of the
/// push that wrote them.
fn written(
    context: &Context<'_>,
    entry: &TableEntry,
    (codec, stored): (&TableCodec, &TableCodec),
    place: usize,
    direct: bool,
) -> String {
    let from = format!(
        "trasvase_sent s join {} t on {} = s.key cross join lateral (select {} as whole offset 0) w",
        entry.table.quoted(),
        codec.key_sql("t"),
        stored.digest_sql("t"),
    );
    if !context.clinic.updates(&entry.table) {
        return format!("select s.*, w.whole, null::bytea as stored_columns from {from}");
    }
    let rows = if direct { "(select null::text as key where false)".to_owned() } else { merge::rows(place) };
    let (columns, stored_columns) = match direct {
        true => ("null::bytea".to_owned(), "null::bytea".to_owned()),
        false => {
            (merge::carried(codec, "m.base", "s.columns"), merge::carried(codec, "m.stored", "c.theirs"))
        }
    };
    format!(
        "select s.target_table, s.key, s.sent, w.whole, case when m.key is null then s.columns else {columns} end as columns, \
         case when m.key is not null then {stored_columns} else coalesce(c.theirs, s.columns) end as stored_columns \
         from {from} left join {rows} m on m.key = s.key and {stands} \
         cross join lateral (select case when m.key is not null or s.sent <> {now} then {theirs} end as theirs offset 0) c",
        stands = if direct { "true" } else { "m.fates ~ '[skc]'" },
        now = if writes_all(context, entry) { "w.whole".to_owned() } else { codec.digest_sql("t") },
        theirs = codec.column_digests_sql("t"),
    )
}

/// Whether every column of the table is written by us, so that a row's two digests are of the same columns in the same order.
pub(super) fn writes_all(context: &Context<'_>, entry: &TableEntry) -> bool {
    let table = &context.catalog.tables[&entry.table];
    table.columns.iter().map(|column| &column.name).eq(entry.columns.iter().map(|column| &column.name))
}

/// Starts a COPY of these columns; what is the same in all rows is their DEFAULT, and need not be sent with each.
async fn start_copy(client: &Client, into: &str, columns: &str, same: &[(&str, i32)]) -> Result<Copy> {
    let same: Vec<String> =
        same.iter().map(|(column, value)| format!("alter column {column} set default {value}")).collect();
    execute(client, &format!("alter table {into} {}", same.join(", "))).await?;
    Copy::start(client, &format!("copy {into} ({columns}) from stdin (format binary)")).await
}

async fn send(mut copy: Copy, rows: std::fs::File) -> Result<()> {
    copy.rows_from(rows).await?;
    copy.finish().await.map(drop)
}
