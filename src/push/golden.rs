//! Golden ids that changed since they were recorded: records that were pushed as two turned out to be one, or as one to be
//! two. What refers to an id that nobody has any more is carried over to its successor, whoever wrote it, and the row of
//! that id goes.

mod collision;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use tokio_postgres::error::SqlState;

use super::Options;
use super::compare::{Context, delete_condition};
use super::rebuild::{all_foreign_keys, parent};
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::dedupe::GoldenIds;
use crate::error::{self, Failure};
use crate::model::catalog::{ConstraintKind, DataType};
use crate::model::ident::{TableName, literal, quoted};
use crate::model::manifest::GoldenEntry;
use crate::pg::copy::{Copy, append_text};
use crate::pg::ledger::{self, Batch};

pub(super) use collision::{Collision, failure};
use rows::Affected;

/// What changed golden ids do to one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GoldenPlan {
    pub table: TableName,
    /// Rows that get another golden id where they refer to one, beside those that the load mode updates.
    pub repointed: u64,
    /// Rows of ids that nobody has any more.
    pub retired: u64,
    /// Of a table that the snapshot does not hold, the triggers that this fires: name and function.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<(String, String)>,
}

/// Sends the golden ids of the snapshot into temporary tables of the transaction: `trasvase_golden` all of them, with the
/// one that the target was last given; `trasvase_moved` those that changed; `trasvase_retired` those that nobody has now.
///
/// What a target was given its ledger knows. One that does not know a record, since it was merged into another before it
/// came there, has what is recorded in the project.
pub(super) async fn stage(context: &Context<'_>) -> Result<()> {
    context
        .execute(
            "create temporary table trasvase_golden (type text, source_id text, golden_id text, was text, known text) on commit drop; \
             create temporary table trasvase_moved (was text, golden_id text, primary key (was, golden_id)) on commit drop; \
             create temporary table trasvase_retired (was text primary key, successor text) on commit drop",
        )
        .await?;
    let (mut moved, mut retired) = (BTreeSet::new(), BTreeMap::new());
    for entry in &context.manifest().golden {
        error::interrupt::check()?;
        stage_entity(context, entry).await?;
        let (of_entity, first) = changes(context, entry).await?;
        moved.extend(of_entity);
        retired.extend(first);
    }
    send(context, "trasvase_moved", moved.iter().map(|(was, now)| [was, now])).await?;
    send(context, "trasvase_retired", retired.iter().map(|(was, now)| [was, now])).await?;
    context.execute("analyze trasvase_moved; analyze trasvase_retired").await
}

/// What the ledger knows the records of an entity by.
fn kind(entry: &GoldenEntry) -> String {
    format!("golden.{}", entry.entity)
}

async fn stage_entity(context: &Context<'_>, entry: &GoldenEntry) -> Result<()> {
    context
        .execute(
            "drop table if exists pg_temp.trasvase_golden_sent; create temporary table trasvase_golden_sent \
             (source_id text collate \"C\", golden_id text, was text) on commit drop",
        )
        .await?;
    let sql = "copy trasvase_golden_sent from stdin (format binary)";
    let mut copy = Copy::start(context.client, sql).await?;
    for row in context.snapshot.golden(entry)? {
        let row = row?;
        let out = copy.row(3);
        append_text(out, &row.source_id);
        append_text(out, &row.golden_id);
        match &row.was {
            Some(was) => append_text(out, was),
            None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
        copy.flush_if_full().await?;
    }
    copy.finish().await?;
    let known = match ledger::exists(context.client).await? {
        true => known(context, entry),
        false => "select null::text, null::text".to_owned(),
    };
    context
        .execute(&format!(
            "insert into trasvase_golden select {}, s.source_id, s.golden_id, s.was, k.golden_id \
             from trasvase_golden_sent s left join ({known}) k(source_id, golden_id) on k.source_id = s.source_id; \
             analyze trasvase_golden",
            literal(&kind(entry))
        ))
        .await
}

/// The golden id under which the clinic's completed batches last brought each record.
fn known(context: &Context<'_>, entry: &GoldenEntry) -> String {
    let code = |name: &str| format!("(select code from trasvase.name where name = {})", literal(name));
    format!(
        "select distinct on (e.source_id) e.source_id, e.target_key from trasvase.external_id e \
         join trasvase.batch b on b.number = e.batch and b.clinic = {} and b.status = 'completed' \
         where e.source = {} and e.type = {} order by e.source_id, e.batch desc",
        literal(context.manifest().clinic.as_str()),
        code(&context.manifest().product),
        code(&kind(entry)),
    )
}

/// Ids with what they became: for each record, and for those that nobody has now, by the record that had it first. In a
/// project without the records' file the smallest source id counts as the first.
async fn changes(
    context: &Context<'_>,
    entry: &GoldenEntry,
) -> Result<(BTreeSet<(String, String)>, BTreeMap<String, String>)> {
    let sql = "select had, golden_id, source_id, exists (select from trasvase_golden a where a.type = g.type and a.golden_id = g.had) \
               from (select *, coalesce(known, was) as had from trasvase_golden where type = $1) g where had <> golden_id";
    let rows = context.client.query(sql, &[&kind(entry)]).await.map_err(|error| error::postgres(&error))?;
    let (mut moved, mut first) = (BTreeSet::new(), BTreeMap::new());
    if rows.is_empty() {
        return Ok((moved, BTreeMap::new()));
    }
    let recorded = GoldenIds::read(context.project, &context.clinic.name, &entry.entity)?;
    for row in rows {
        let (was, golden_id, source_id): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        moved.insert((was.clone(), golden_id.clone()));
        if row.get(3) {
            continue;
        }
        let place = recorded.get(&source_id).map_or(usize::MAX, |(_, place)| place);
        let candidate = (place, source_id, golden_id);
        let known = first.entry(was).or_insert_with(|| candidate.clone());
        if candidate < *known {
            *known = candidate;
        }
    }
    Ok((moved, first.into_iter().map(|(was, (_, _, successor))| (was, successor)).collect()))
}

async fn send<'r>(
    context: &Context<'_>,
    table: &str,
    rows: impl Iterator<Item = [&'r String; 2]>,
) -> Result<()> {
    let mut copy = Copy::start(context.client, &format!("copy {table} from stdin (format binary)")).await?;
    for row in rows {
        let out = copy.row(row.len());
        row.into_iter().for_each(|text| append_text(out, text));
        copy.flush_if_full().await?;
    }
    copy.finish().await.map(drop)
}

/// What a push would do, and what it would run into. `staged` are the places whose incoming rows are in temporary tables.
pub(super) async fn compare(
    context: &Context<'_>,
    staged: &BTreeSet<usize>,
) -> Result<(Vec<GoldenPlan>, Vec<Collision>)> {
    let (mut plans, mut collisions) = (Vec::new(), Vec::new());
    for affected in reached(context, staged).await? {
        let deleted = match affected.place {
            Some(place) => {
                let entry = &context.manifest().tables[place];
                let codec = super::rows::codec(entry, &context.catalog.tables[&entry.table])?;
                delete_condition(context, place, entry, &codec).await?
            }
            None => None,
        };
        let rows = affected.rows(context, deleted.as_deref(), false);
        let row = context.client.query_one(&rows.count(), &[]).await;
        let row = row.map_err(|error| error::postgres(&error))?;
        let (repointed, retired) =
            (u64::try_from(row.get::<_, i64>(0))?, u64::try_from(row.get::<_, i64>(1))?);
        if repointed > 0 {
            collisions.extend(collision::find(context, &affected, &rows).await?);
        }
        if repointed + retired > 0 {
            let triggers = affected.triggers(context, repointed, retired);
            plans.push(GoldenPlan { table: affected.table, repointed, retired, triggers });
        }
    }
    Ok((plans, collisions))
}

/// The tables with rows that may have to change: those whose keys are recorded ids, and those that refer to them.
async fn reached(context: &Context<'_>, staged: &BTreeSet<usize>) -> Result<Vec<Affected>> {
    if !any(context).await? {
        return Ok(Vec::new());
    }
    let holders = holders(context, staged).await?;
    let mut columns: BTreeMap<TableName, BTreeSet<String>> = BTreeMap::new();
    for (holder, key) in &holders {
        columns.entry(holder.clone()).or_default().insert(key.clone());
        for (table, constraint) in all_foreign_keys(context.catalog).filter(|(_, one)| parent(one) == holder)
        {
            let ConstraintKind::ForeignKey { referenced_columns, .. } = &constraint.kind else { continue };
            let pairs = constraint.columns.iter().zip(referenced_columns);
            let referring = pairs.filter(|(_, referenced)| *referenced == key).map(|(column, _)| column);
            columns.entry(table.clone()).or_default().extend(referring.cloned());
        }
    }
    columns.retain(|_, columns| !columns.is_empty());
    let place = |table: &TableName| context.manifest().tables.iter().position(|entry| entry.table == *table);
    let affected = columns.into_iter().map(|(table, columns)| {
        let own_key = holders.iter().find(|(holder, _)| *holder == table).map(|(_, key)| key.clone());
        Affected { place: place(&table), columns: columns.into_iter().collect(), own_key, table }
    });
    // A table of the snapshot that had no rows has none but new ones.
    let mut affected: Vec<Affected> =
        affected.filter(|one| one.place.is_none_or(|place| staged.contains(&place))).collect();
    affected.sort_by_key(|one| one.place.unwrap_or(usize::MAX));
    Ok(affected)
}

/// The tables of the snapshot whose keys are recorded ids. An id stays where its successor is no row of the target, and
/// will be none: somebody must still be referred to.
async fn holders(context: &Context<'_>, staged: &BTreeSet<usize>) -> Result<Vec<(TableName, String)>> {
    let mut holders = Vec::new();
    for place in staged {
        let entry = &context.manifest().tables[*place];
        let [key] = entry.key.as_slice() else { continue };
        let table = &context.catalog.tables[&entry.table];
        if !table.column(key).is_some_and(|column| may_hold_ids(&column.data_type)) {
            continue;
        }
        let (name, column) = (entry.table.quoted(), quoted(key));
        let held = format!(
            "select count(*) from (select 1 from {name} t join trasvase_moved m on m.was = t.{column}::text limit 1) one"
        );
        if context.count(&held).await? == 0 {
            continue;
        }
        holders.push((entry.table.clone(), key.clone()));
    }
    for (table, key) in &holders {
        let refers_on = all_foreign_keys(context.catalog).any(|(child, constraint)| {
            child == table
                && constraint.columns == [key.clone()]
                && parent(constraint) != table
                && holders.iter().any(|(holder, _)| holder == parent(constraint))
        });
        let place = context.manifest().tables.iter().position(|entry| entry.table == *table);
        if let Some(place) = place.filter(|_| !refers_on) {
            let (name, column, incoming) = (table.quoted(), quoted(key), super::compare::incoming(place));
            context
                .execute(&format!(
                    "delete from trasvase_retired r where exists (select 1 from {name} t where t.{column}::text = r.was) \
                     and not exists (select 1 from {name} t where t.{column}::text = r.successor) \
                     and not exists (select 1 from {incoming} i where i.{column}::text = r.successor)"
                ))
                .await?;
        }
    }
    Ok(holders)
}

/// Whether a key of this type can be a golden id.
fn may_hold_ids(data_type: &DataType) -> bool {
    matches!(data_type.undomained().base.as_str(), "text" | "varchar" | "bpchar" | "uuid" | "citext" | "name")
}

/// Rows that were re-pointed and retired, by table.
pub(super) type Counts = BTreeMap<String, (u64, u64)>;

/// What is done in one push.
pub(super) struct Work<'a> {
    context: &'a Context<'a>,
    batch: &'a Batch,
    /// The places whose incoming rows are in temporary tables.
    staged: BTreeSet<usize>,
    done: Vec<(Affected, usize)>,
    pub(super) counts: Counts,
}

/// Ids whose rows can go before anything comes, since all that took their place are there already. Otherwise what their
/// row holds of unique keys would keep their successor from getting it.
const LATER: &str = "with later as (delete from trasvase_retired r where exists (select 1 from trasvase_moved m \
     where m.was = r.was and not (TRUE_OF_HOLDERS)) returning *) insert into trasvase_later select * from later; \
     with later as (delete from trasvase_moved m where not exists (select 1 from trasvase_retired r where r.was = m.was) \
     returning *) insert into trasvase_moved_later select * from later";

impl<'a> Work<'a> {
    /// `staged` are the places whose incoming rows are in temporary tables.
    pub(super) fn new(context: &'a Context<'_>, batch: &'a Batch, staged: BTreeSet<usize>) -> Self {
        Self { context, batch, staged, done: Vec::new(), counts: Counts::new() }
    }

    /// Before the rows of the snapshot are loaded.
    pub(super) async fn before(&mut self) -> Result<()> {
        let context = self.context;
        if !any(context).await? {
            return Ok(());
        }
        let holders = holders(context, &self.staged).await?;
        let there = holders.iter().map(|(table, key)| {
            let (table, key) = (table.quoted(), quoted(key));
            format!(
                "(not exists (select 1 from {table} t where t.{key}::text = m.was) \
                 or exists (select 1 from {table} t where t.{key}::text = m.golden_id))"
            )
        });
        let there = there.chain(["true".to_owned()]).collect::<Vec<_>>().join(" and ");
        context
            .execute(&format!(
                "create temporary table trasvase_later (like trasvase_retired) on commit drop; \
                 create temporary table trasvase_moved_later (like trasvase_moved) on commit drop; {}",
                LATER.replace("TRUE_OF_HOLDERS", &there)
            ))
            .await?;
        self.run(1_000).await?;
        context
            .execute(
                "insert into trasvase_retired select * from trasvase_later; \
                 insert into trasvase_moved select * from trasvase_moved_later",
            )
            .await
    }

    /// When they are loaded.
    pub(super) async fn after(&mut self) -> Result<()> {
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

    /// Writes into the ledger which record has which golden id now, and the digests of those rows that are ours and that
    /// nothing else of this push wrote.
    pub(super) async fn note(&self) -> Result<()> {
        let context = self.context;
        if context.manifest().golden.is_empty() {
            return Ok(());
        }
        records(context, self.batch).await?;
        let mut places: Vec<usize> = self.done.iter().filter_map(|(affected, _)| affected.place).collect();
        places.sort_unstable();
        places.dedup();
        for place in places {
            digests(context, self.batch, place).await?;
        }
        Ok(())
    }
}

/// Whether any golden id changed.
pub(super) async fn any(context: &Context<'_>) -> Result<bool> {
    Ok(!context.manifest().golden.is_empty()
        && context.count("select count(*) from trasvase_moved").await? > 0)
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

async fn digests(context: &Context<'_>, batch: &Batch, place: usize) -> Result<()> {
    let entry = &context.manifest().tables[place];
    let clinic = context.manifest().clinic.as_str();
    let Some(written) = ledger::written(context.client, clinic, &entry.table).await? else { return Ok(()) };
    let table = &context.catalog.tables[&entry.table];
    let codec = super::rows::codec(entry, table)?;
    let stored = TableCodec::of_table(table, &entry.key)
        .map_err(|(column, reason)| anyhow::anyhow!("{}.{column}: {reason}", entry.table))?;
    context
        .execute(&format!(
            "insert into trasvase.row_digest_{batch} \
             select {batch}, (select code from trasvase.name where name = {name}), k.now, {sent}, {stored} \
             from (select distinct key, now from trasvase_repointed_{place}) k join {table} t on {key} = k.now \
             where exists (select 1 from trasvase.row_digest d where {written} and d.key = k.key collate \"C\") \
             and not exists (select 1 from trasvase_touched_{place} o where o.key = k.now)",
            batch = batch.number,
            name = literal(&entry.table.to_string()),
            sent = codec.digest_sql("t"),
            stored = stored.digest_sql("t"),
            table = entry.table.quoted(),
            key = codec.key_sql("t"),
        ))
        .await
}

/// Writes down the golden ids that the target was not given before.
async fn records(context: &Context<'_>, batch: &Batch) -> Result<()> {
    let manifest = context.manifest();
    let names = manifest.golden.iter().map(kind).chain([manifest.product.clone()]);
    ledger::codes(context.client, &names.collect::<Vec<_>>()).await?;
    context
        .execute(&format!(
            "insert into trasvase.external_id_{batch} select {batch}, p.code, n.code, g.source_id, n.code, g.golden_id \
             from trasvase_golden g join trasvase.name n on n.name = g.type, trasvase.name p \
             where p.name = {} and g.known is distinct from g.golden_id",
            literal(&manifest.product),
            batch = batch.number,
        ))
        .await
}

/// Refuses a push whose golden ids could not be recorded afterwards, since their file cannot be read.
pub(super) fn readable(options: &Options<'_>) -> Result<()> {
    let entries = options.snapshot.manifest().golden.iter();
    let mut read = entries.map(|entry| GoldenIds::read(options.project, &options.clinic.name, &entry.entity));
    read.try_for_each(|read| read.map(drop))
}

/// Records the golden ids of a snapshot that the target holds.
///
/// # Errors
/// A file that cannot be read or written; what was pushed stands.
pub(super) fn record(options: &Options<'_>, batch: Option<&str>) -> Result<()> {
    let clinic = &options.clinic.name;
    let now = chrono::Utc::now();
    for entry in &options.snapshot.manifest().golden {
        let recorded = || -> Result<()> {
            let mut ids = GoldenIds::read(options.project, clinic, &entry.entity)?;
            let rows = options.snapshot.golden(entry)?.collect::<Result<Vec<_>>>()?;
            let rows = rows.into_iter().map(|row| (row.source_id, row.golden_id));
            if ids.record(rows, now) { ids.write() } else { Ok(()) }
        };
        recorded().map_err(|error| {
            let inner = Failure::from_anyhow(&error);
            let message = match batch {
                Some(batch) => t!("push.not_recorded", batch = batch, error = inner.message),
                None => t!("push.not_recorded_still", error = inner.message),
            };
            let failure = inner.hints.into_iter().fold(Failure::failed(message), Failure::hint);
            failure.hint(t!("push.not_recorded_hint", clinic = clinic))
        })?;
    }
    Ok(())
}

/// Refuses a snapshot with more pairs that wait for a decision than the clinic allows.
pub(super) fn pending(options: &Options<'_>) -> Result<(), Failure> {
    let allowed = |entity: &str| options.clinic.dedupe.get(entity).map_or(0, |settings| settings.max_pending);
    let over: Vec<_> = options
        .snapshot
        .manifest()
        .golden
        .iter()
        .filter(|entry| entry.pending > allowed(&entry.entity))
        .collect();
    if over.is_empty() {
        return Ok(());
    }
    let told = over.iter().map(|entry| {
        let (entity, allowed) = (&entry.entity, allowed(&entry.entity));
        t!("push.pending_of", entity = entity, count = entry.pending, allowed = allowed).into_owned()
    });
    let clinic = &options.clinic.name;
    let message = t!("push.pending", entities = told.collect::<Vec<_>>().join(", "));
    let failure = over.iter().fold(Failure::findings(message), |failure, entry| {
        failure.hint(format!("trasvase review {clinic} {}", entry.entity))
    });
    Err(failure.hint(t!("push.pending_hint", clinic = clinic)))
}
