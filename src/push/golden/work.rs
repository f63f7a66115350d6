//! Carries over what refers to golden ids that changed, within the data transaction.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use tokio_postgres::error::SqlState;

use super::super::compare::Context;
use super::super::rows;
use super::changes::{any, records};
use super::collision::{Collision, failure};
use super::reach::{holders, reached};
use super::rows::Affected;
use super::surplus::waits;
use crate::error;
use crate::model::ident::{TableName, literal, quoted};
use crate::pg::Writings;
use crate::pg::fates::digest;
use crate::pg::ledger::{self, Batch};

/// Rows that were re-pointed and retired, by table.
pub(in crate::push) type Counts = BTreeMap<String, (u64, u64)>;

/// What is done in one push.
pub(in crate::push) struct Work<'a> {
    context: &'a Context<'a>,
    batch: &'a Batch,
    /// The places whose incoming rows are in temporary tables.
    staged: BTreeSet<usize>,
    done: Vec<(Affected, usize)>,
    pub(in crate::push) counts: Counts,
}

impl<'a> Work<'a> {
    /// `staged` are the places whose incoming rows are in temporary tables.
    pub(in crate::push) fn new(context: &'a Context<'_>, batch: &'a Batch, staged: BTreeSet<usize>) -> Self {
        Self { context, batch, staged, done: Vec::new(), counts: Counts::new() }
    }

    /// Before the rows of the snapshot are loaded: what can be done then. As long as a row that goes is there, its successor
    /// cannot get what it holds of unique keys.
    pub(in crate::push) async fn before(&mut self) -> Result<()> {
        let context = self.context;
        if !any(context).await? {
            return Ok(());
        }
        // Then all of it is done afterwards.
        if waits(context, &reached(context, &self.staged).await?).await? {
            return Ok(());
        }
        let holders = holders(context, &self.staged).await?;
        context.execute(&put_off(&holders)).await?;
        self.run(1_000).await?;
        context
            .execute(
                "insert into trasvase_retired select * from trasvase_later; \
                 insert into trasvase_moved select * from trasvase_moved_later",
            )
            .await
    }

    /// When they are loaded.
    pub(in crate::push) async fn after(&mut self) -> Result<()> {
        if any(self.context).await? { self.run(0).await } else { Ok(()) }
    }

    /// Carries over what refers to ids that changed, then deletes the rows of ids that nobody has, children first.
    async fn run(&mut self, first: usize) -> Result<()> {
        let (context, batch) = (self.context, self.batch);
        let tables = reached(context, &self.staged).await?;
        let names: Vec<String> = tables.iter().map(|one| one.table.to_string()).collect();
        let codes = ledger::codes(context.client, &names).await?;
        // Rows that go are locked before others are looked for: from then on nobody can come to refer to them.
        let (keys, others): (Vec<_>, Vec<_>) =
            tables.into_iter().zip(first..).partition(|(affected, _)| affected.own_key.is_some());
        let mut tables = Vec::new();
        for (affected, number) in keys.into_iter().chain(others) {
            let rows = affected.rows(context, None, first > 0);
            // A lock wants a privilege that is needed for nothing where there is no row.
            if context.count(&rows.any()).await? == 0 {
                continue;
            }
            context.execute(&affected.make_keys(number)).await?;
            context.execute(&rows.gather(number)).await.with_context(|| at(&affected))?;
            let code = codes[&affected.table.to_string()];
            context.execute(&affected.before_images(context, number, batch.number, code)).await?;
            tables.push((affected, number));
        }
        tables.sort_by_key(|(_, number)| *number);
        for (affected, number) in &tables {
            let row = context.client.query_one(&affected.repoint(context, *number), &[]).await;
            let row = row.map_err(|error| told(&affected.table, &error))?;
            self.counted(affected).0 += u64::try_from(row.get::<_, i64>(0))?;
        }
        for (affected, number) in tables.iter().rev() {
            let Some(sql) = affected.retire(context, *number) else { continue };
            self.counted(affected).1 += context.count(&sql).await.with_context(|| at(affected))?;
        }
        self.done.extend(tables);
        Ok(())
    }

    fn counted(&mut self, affected: &Affected) -> &mut (u64, u64) {
        self.counts.entry(affected.table.to_string()).or_default()
    }

    /// Writes into the ledger which record has which golden id now, where re-pointed rows went, and the digests of those rows
    /// that are ours and that nothing else of this push wrote.
    pub(in crate::push) async fn note(&self) -> Result<()> {
        let context = self.context;
        if context.manifest().golden.is_empty() {
            return Ok(());
        }
        records(context, self.batch).await?;
        let names: Vec<String> = self.done.iter().map(|(affected, _)| affected.table.to_string()).collect();
        let codes = ledger::codes(context.client, &names).await?;
        for (affected, number) in &self.done {
            let code = codes[&affected.table.to_string()];
            context.execute(&affected.note(context, *number, self.batch.number, code)).await?;
        }
        let mut places: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (affected, _) in &self.done {
            if let Some(place) = affected.place {
                places.entry(place).or_default().extend(affected.columns.iter().map(String::as_str));
            }
        }
        for (place, columns) in places {
            digests(context, self.batch, place, &columns).await?;
        }
        Ok(())
    }
}

/// Lays those ids aside in whose place a row has yet to come.
fn put_off(holders: &[(TableName, String)]) -> String {
    let there = holders.iter().map(|(table, key)| {
        let (name, table, key) = (literal(&table.to_string()), table.quoted(), quoted(key));
        format!(
            "(m.holder not in ('', {name}) or not exists (select 1 from {table} t where t.{key}::text = m.was) \
             or exists (select 1 from {table} t where t.{key}::text = m.golden_id))"
        )
    });
    let there = there.chain(["true".to_owned()]).collect::<Vec<_>>().join(" and ");
    format!(
        "create temporary table trasvase_later (like trasvase_retired) on commit drop; \
         create temporary table trasvase_moved_later (like trasvase_moved) on commit drop; \
         with later as (delete from trasvase_retired r where exists \
         (select 1 from trasvase_moved m where m.was = r.was and m.holder = r.holder and not ({there})) returning *) \
         insert into trasvase_later select * from later; \
         with later as (delete from trasvase_moved m where not exists \
         (select 1 from trasvase_retired r where r.was = m.was and r.holder = m.holder) returning *) \
         insert into trasvase_moved_later select * from later"
    )
}

fn at(affected: &Affected) -> std::borrow::Cow<'static, str> {
    t!("push.golden_at", table = affected.table)
}

/// A key that two rows would have, with what to do about it; anything else as it is.
fn told(table: &TableName, error: &tokio_postgres::Error) -> anyhow::Error {
    let database = error.as_db_error().filter(|error| *error.code() == SqlState::UNIQUE_VIOLATION);
    match database {
        Some(database) => {
            let constraint = database.constraint().unwrap_or("?").to_owned();
            failure(&[Collision { table: table.clone(), constraint, rows: 1 }]).into()
        }
        None => error::postgres(error),
    }
}

/// Of columns that hold golden ids the digests are those of the row as it is now; of the others, of the last push.
async fn digests(context: &Context<'_>, batch: &Batch, place: usize, golden: &[&str]) -> Result<()> {
    let entry = &context.manifest().tables[place];
    let Some(writings) = Writings::read(context.client, context.manifest(), &entry.table).await? else {
        return Ok(());
    };
    let table = &context.catalog.tables[&entry.table];
    let codec = rows::codec(entry, table)?;
    let stored = rows::whole(entry, table)?;
    let names: Vec<&str> = codec.column_names().collect();
    let (base, kept) = writings.columns_sql(&names);
    let columns = |of: &str| {
        let one =
            |(place, name): (usize, &&str)| digest(if golden.contains(name) { "theirs" } else { of }, place);
        names.iter().enumerate().map(one).collect::<Vec<_>>().join(" || ")
    };
    context
        .execute(&format!(
            "insert into trasvase.row_digest_{batch} (batch, target_table, key, sent, stored, columns, stored_columns) \
             select {batch}, {code}, now, sent, nullif(whole, sent), case when known then {columns} end, \
             case when known then nullif({kept_columns}, {columns}) end from (\
             select k.now, {sent} as sent, {stored} as whole, known and {updates} as known, base, kept, {theirs} as theirs \
             from (select distinct key, now from trasvase_repointed_{place}) k join {table} t on {key} = k.now \
             join (select distinct on (d.key) d.key, {has} as known, {base} as base, {kept} as kept \
             from trasvase.row_digest d where {written} and d.key in (select key from trasvase_repointed_{place}) \
             order by d.key, d.batch desc) b on b.key = k.key collate \"C\" \
             where not exists (select 1 from trasvase_touched_{place} o where o.key = k.now) offset 0) rows",
            batch = batch.number,
            code = writings.code,
            columns = columns("base"),
            kept_columns = columns("kept"),
            sent = codec.digest_sql("t"),
            stored = stored.digest_sql("t"),
            updates = context.clinic.updates(&entry.table),
            theirs = codec.column_digests_sql("t"),
            table = entry.table.quoted(),
            key = codec.key_sql("t"),
            has = writings.has_columns_sql(),
            written = writings.condition(),
        ))
        .await
}
