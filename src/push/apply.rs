//! Carries a plan out, inside the caller's transaction.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::compare::{Context, differs, incoming, same_key, stage};
use super::plan::{Plan, TablePlan};
use super::{absent, delete, filled, golden, held, left_behind, merge, numbers, record, rows, unknown};
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::error;
use crate::model::catalog::{ConstraintKind, Identity};
use crate::model::ident::{TableName, literal, quoted};
use crate::model::manifest::TableEntry;
use crate::model::run::{Event, Stage};
use crate::pg::crossed::Crossed;
use crate::pg::ledger::Batch;
use crate::pg::numbers::next_sql;
use crate::pg::triggers::{self, Running};

/// Rows written into one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
    /// There already, and taken into the ledger as they are.
    pub adopted: u64,
    /// Referring to another golden id than before, for that alone.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub repointed: u64,
    /// Deleted with a golden id that nobody has any more.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub retired: u64,
}

/// Loads every table, writes the ledger, rebuilds what was dropped, moves sequences. `crossed` are keys that rows take from
/// each other.
pub(super) async fn apply(
    context: &Context<'_>,
    plan: &Plan,
    batch: &Batch,
    crossed: &[Crossed],
) -> Result<BTreeMap<String, Written>> {
    context.execute("set constraints all deferred").await?;
    for key in crossed {
        key.drop(context.client).await?;
    }
    if !context.manifest().golden.is_empty() {
        golden::stage(context).await?;
    }
    for statement in &plan.rebuild.drop {
        context
            .execute(&statement.sql)
            .await
            .with_context(|| t!("push.cannot_drop", name = statement.name, table = statement.table))?;
    }
    let as_sent = stored_as_sent(context, plan);
    let ledger = record::Ledger::open(context, batch, as_sent).await?;
    let silent = disable_triggers(context, plan).await?;
    let deleted = delete::first(context, plan, &ledger).await?;
    let ready = stage_rest(context, plan, &deleted).await?;
    if golden::any(context).await? {
        golden::stage_surplus(context, &ready).await?;
    }
    let mut golden = golden::Work::new(context, batch, ready.clone());
    golden.before().await?;
    let mut written: BTreeMap<String, Written> = BTreeMap::new();
    let mut staged = Vec::new();
    for (place, (entry, table)) in context.manifest().tables.iter().zip(&plan.tables).enumerate() {
        error::interrupt::check()?;
        let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
        let result = load_table(
            context,
            place,
            entry,
            table,
            &codec,
            &ledger,
            (ready.contains(&place), deleted.get(&place).copied()),
        )
        .await
        .with_context(|| at_table(plan, place, place))?;
        context.observer.event(&Event::Finished {
            stage: Stage::Push,
            subject: &entry.table.to_string(),
            rows: result.inserted + result.updated + result.deleted,
        });
        written.insert(entry.table.to_string(), result);
        staged.push((place, entry, table, codec));
    }
    for (place, entry, table, codec) in &staged {
        fill_cycles(context, *place, entry, table, codec).await?;
    }
    golden.after().await?;
    for (place, rows) in delete::last(context, plan, &deleted.keys().copied().collect()).await? {
        written.entry(plan.tables[place].table.to_string()).or_default().deleted += rows;
    }
    if !crossed.is_empty() {
        // Nothing may wait for a table that is altered.
        context.execute("set constraints all immediate").await?;
    }
    for key in crossed {
        key.create(context.client)
            .await
            .with_context(|| t!("push.cannot_rebuild", name = key.name, table = key.table))?;
    }
    for (table, (repointed, retired)) in std::mem::take(&mut golden.counts) {
        let written: &mut Written = written.entry(table).or_default();
        (written.repointed, written.retired) = (repointed, retired);
    }
    tokio::try_join!(rebuild(context, plan), ledger.end_aside(context))?;
    if !as_sent {
        ledger.analyze(context).await?;
    }
    for (place, entry, table, codec) in &staged {
        if !as_sent {
            ledger.digests(context, entry, codec, (*place, table.direct)).await?;
        }
        if table.reclaimed > 0 {
            left_behind::as_they_were(context, *place, entry, batch.number).await?;
        }
        move_sequences(context, entry).await?;
        let silent = silent.get(&table.table).into_iter().flatten();
        context.execute(&silent.map(|one| one.enable(&table.table)).collect::<String>()).await?;
    }
    golden.note().await?;
    ledger.attach(context).await?;
    analyze(context, plan).await?;
    Ok(written)
}

/// Makes the keys and indexes again that were dropped.
async fn rebuild(context: &Context<'_>, plan: &Plan) -> Result<()> {
    for statement in &plan.rebuild.create {
        context
            .execute(&statement.sql)
            .await
            .with_context(|| t!("push.cannot_rebuild", name = statement.name, table = statement.table))?;
    }
    context.execute("set constraints all immediate").await
}

/// Gathers statistics of the tables that were empty: without, PostgreSQL plans whatever reads them next (verify, the
/// product) for empty tables until autovacuum comes by. A tenth of the usual sample does until then.
async fn analyze(context: &Context<'_>, plan: &Plan) -> Result<()> {
    for table in plan.tables.iter().filter(|table| table.direct && context.catalog.tables[&table.table].owned)
    {
        context.execute(&format!("analyze {}", table.table.quoted())).await?;
    }
    Ok(())
}

/// Whether every row is stored as it was sent: all went whole and by COPY into empty tables, and no trigger saw them.
/// Then the server need not read them back within the load; verify does so anyway, for every value.
pub(super) fn stored_as_sent(context: &Context<'_>, plan: &Plan) -> bool {
    context.manifest().tables.iter().zip(&plan.tables).all(|(entry, table)| {
        let mut triggers = context.catalog.tables[&table.table].triggers.iter();
        let fires = triggers.any(|trigger| trigger.enabled && trigger.timing.contains("insert"));
        table.direct && record::writes_all(context, entry) && (table.triggers_disabled || !fires)
    })
}

pub(super) fn at_table(plan: &Plan, place: usize, done: usize) -> std::borrow::Cow<'static, str> {
    t!("push.at_table", table = plan.tables[place].table, done = done, total = plan.tables.len())
}

/// Before the first row is touched: a table that a constraint still waits for cannot be altered.
async fn disable_triggers(context: &Context<'_>, plan: &Plan) -> Result<BTreeMap<TableName, Vec<Running>>> {
    let mut silent = BTreeMap::new();
    for table in plan.tables.iter().filter(|table| table.triggers_disabled) {
        let running = triggers::running(context.client, &table.table).await?;
        context.execute(&running.iter().map(|one| one.disable(&table.table)).collect::<String>()).await?;
        silent.insert(table.table.clone(), running);
    }
    Ok(silent)
}

/// Stages what else is not sent straight into its table, where golden ids changed or rows are left out: rows of any table
/// may then be looked at before the first is loaded. Returns the places that are ready.
async fn stage_rest(
    context: &Context<'_>,
    plan: &Plan,
    deleted: &BTreeMap<usize, u64>,
) -> Result<BTreeSet<usize>> {
    let mut ready: BTreeSet<usize> = deleted.keys().copied().collect();
    let leaves_out = plan.tables.iter().any(|table| table.deleted_kept + table.deleted_conflicts > 0);
    let tables = || context.manifest().tables.iter().zip(&plan.tables).enumerate();
    if leaves_out || golden::any(context).await? {
        for (place, (entry, _)) in tables().filter(|(_, (_, table))| !table.direct) {
            if ready.insert(place) {
                let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
                stage(context, place, entry, &codec).await.with_context(|| at_table(plan, place, 0))?;
            }
        }
        absent::settle(context, ready.iter().copied()).await?;
        if deleted.is_empty() {
            held::settle(context, &ready).await?;
        }
    }
    for (place, (entry, _)) in tables().filter(|(place, _)| ready.contains(place)) {
        let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
        make_touched(context, place, entry, &codec).await?;
    }
    Ok(ready)
}

/// Makes the temporary tables of a table's incoming rows and of the keys that are written.
async fn make_ready(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<()> {
    stage(context, place, entry, codec).await?;
    absent::settle(context, [place]).await?;
    make_touched(context, place, entry, codec).await
}

/// Makes room for the keys that are written, and where the mode changes rows says what becomes of their values.
async fn make_touched(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<()> {
    let sql =
        format!("create temporary table trasvase_touched_{place} (key text primary key) on commit drop");
    context.execute(&sql).await?;
    if context.clinic.updates(&entry.table) {
        merge::stage(context, place, entry, codec).await?;
    }
    Ok(())
}

async fn load_table(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    plan: &TablePlan,
    codec: &TableCodec,
    ledger: &record::Ledger<'_>,
    (ready, deleted): (bool, Option<u64>),
) -> Result<Written> {
    if plan.direct {
        let mut notes = ledger.notes(context, entry).await?;
        let inserted = rows::send(context, entry, codec, &entry.table.quoted(), Some(&mut notes)).await?;
        ledger.take(context, entry, notes).await?;
        return Ok(Written { inserted, ..Written::default() });
    }
    if !ready {
        make_ready(context, place, entry, codec).await?;
    }
    let deleted = deleted.unwrap_or_default();
    let updated = update(context, place, entry, plan, codec, ledger).await?;
    // What is inserted now is of this push, and known.
    let mut adopted = 0;
    if plan.adopted > 0 {
        let rows = unknown::adopted(context, place, entry, codec).await?;
        adopted += adopt(context, place, entry, codec, ledger, &rows).await?;
    }
    if plan.reclaimed > 0 {
        let rows = left_behind::note(context, place, entry, codec).await?;
        adopted += adopt(context, place, entry, codec, ledger, &rows).await?;
    }
    let inserted = insert(context, place, entry, plan, codec).await?;
    if deleted > 0 {
        filled::give_back(context, place, entry, codec).await?;
    }
    if inserted + updated + adopted > 0 {
        ledger.rows(context, entry, codec, place).await?;
    }
    Ok(Written { inserted, updated, deleted, adopted, ..Written::default() })
}

/// Notes rows as touched that stay as they are and that the ledger does not know, with what they are as before-image.
async fn adopt(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    ledger: &record::Ledger<'_>,
    rows: &str,
) -> Result<u64> {
    // Those that were updated just now are equal too, and not in the ledger yet.
    let key = codec.key_sql("t");
    let rows =
        format!("{rows} and not exists (select 1 from trasvase_touched_{place} k where k.key = {key})");
    ledger.before_images(context, entry, codec, "update", &rows).await?;
    context
        .count(&format!(
            "with noted as (insert into trasvase_touched_{place} select {key} from {rows} returning 1) \
             select count(*) from noted"
        ))
        .await
}

async fn update(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    plan: &TablePlan,
    codec: &TableCodec,
    ledger: &record::Ledger<'_>,
) -> Result<u64> {
    let incoming = incoming(place);
    if !matches!(plan.mode, LoadMode::Upsert | LoadMode::Sync) || plan.updates == 0 {
        return Ok(0);
    }
    let which = merge::to_update(place, codec);
    let changed = format!("{} t, {incoming} i where {} and {which}", entry.table.quoted(), same_key(codec));
    ledger.before_images(context, entry, codec, "update", &changed).await?;
    context
        .execute(&format!(
            "insert into trasvase_touched_{place} select {} from {changed} on conflict do nothing",
            codec.key_sql("t")
        ))
        .await?;
    let key: Vec<&str> = codec.key_names().collect();
    let later = later_columns(context, plan);
    let at_once = |name: &str| !key.contains(&name) && !later.iter().any(|later| later == name);
    let set = merge::assignments(codec, at_once);
    if set.is_empty() {
        return context.count(&format!("select count(*) from trasvase_touched_{place}")).await;
    }
    context
        .count(&format!(
            "with changed as (update {} t set {set} from {incoming} i join trasvase_touched_{place} k on k.key = {} \
             left join {} m on m.key = k.key where {} returning 1) select count(*) from changed",
            entry.table.quoted(),
            codec.key_sql("i"),
            merge::rows(place),
            same_key(codec),
        ))
        .await
}

async fn insert(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    plan: &TablePlan,
    codec: &TableCodec,
) -> Result<u64> {
    let table = entry.table.quoted();
    let new = match plan.mode {
        LoadMode::Append => "true".to_owned(),
        _ => format!("not exists (select 1 from {table} t where {})", same_key(codec)),
    };
    let values = codec
        .column_names()
        .map(|name| {
            if plan.filled_later.iter().any(|later| later == name) {
                "null".to_owned()
            } else {
                format!("i.{}", quoted(name))
            }
        })
        .collect::<Vec<_>>()
        .join(", ");
    let always =
        context.catalog.tables[&entry.table].columns.iter().any(|column| column.identity == Identity::Always);
    let overriding = if always { "overriding system value" } else { "" };
    context
        .execute(&format!(
            "insert into trasvase_touched_{place} select {} from {} i where {new} on conflict do nothing",
            codec.key_sql("i"),
            incoming(place)
        ))
        .await?;
    context
        .count(&format!(
            "with added as (insert into {table} ({}) {overriding} select {values} from {} i where {new} returning 1) select count(*) from added",
            codec.column_list(),
            incoming(place)
        ))
        .await
}

/// The columns that get their values when all tables are loaded: references of a cycle, and in a table whose rows are
/// updated those to itself, since the row that one names may be inserted only then.
fn later_columns(context: &Context<'_>, plan: &TablePlan) -> Vec<String> {
    let to_itself = context.catalog.tables[&plan.table].foreign_keys().filter(|constraint| {
        matches!(&constraint.kind, ConstraintKind::ForeignKey { references, .. } if *references == plan.table)
    });
    let columns = to_itself.filter(|_| plan.updates > 0).flat_map(|constraint| &constraint.columns);
    plan.filled_later.iter().chain(columns).cloned().collect()
}

/// Gives the references of a cycle their values, once both ends are there.
async fn fill_cycles(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    plan: &TablePlan,
    codec: &TableCodec,
) -> Result<()> {
    let key: Vec<&str> = codec.key_names().collect();
    let later = later_columns(context, plan);
    let written = |name: &str| !key.contains(&name) && later.iter().any(|later| later == name);
    let set = merge::assignments(codec, written);
    if set.is_empty() {
        return Ok(());
    }
    context
        .execute(&format!(
            "update {} t set {set} from {} i join trasvase_touched_{place} k on k.key = {} left join {} m on m.key = k.key \
             where {} and {}",
            entry.table.quoted(),
            incoming(place),
            codec.key_sql("i"),
            merges(context, place, entry),
            same_key(codec),
            differs(codec)
        ))
        .await
}

/// The rows whose values are merged, for a FROM clause; none where the mode changes no row.
fn merges(context: &Context<'_>, place: usize, entry: &TableEntry) -> String {
    match context.clinic.updates(&entry.table) {
        true => merge::rows(place),
        false => "(select null::text as key, null::text as fates where false)".to_owned(),
    }
}

/// Moves the sequences behind written columns to their first number past all values; on only, whichever way they count, and
/// with the transaction (`ALTER SEQUENCE ... RESTART` is undone by a rollback, `setval` is not).
async fn move_sequences(context: &Context<'_>, entry: &TableEntry) -> Result<()> {
    let table = &context.catalog.tables[&entry.table];
    for (column, sequence) in numbers::moved(table, entry) {
        let sql = format!(
            "select (next + increment * (floor((furthest - next)::numeric / increment) + 1))::int8 from \
             (select next, increment, (select case when increment > 0 then max({name}) else min({name}) end from {table})::int8 as furthest \
             from {numbers} numbers) known where (furthest - next) * sign(increment) >= 0",
            name = quoted(column),
            table = entry.table.quoted(),
            numbers = next_sql(sequence),
        );
        let row = context.client.query_opt(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        if let Some(row) = row {
            let next: i64 = row.get(0);
            context.execute(&format!("alter sequence {sequence} restart with {next}")).await?;
        }
    }
    Ok(())
}

/// Names the settings of the data transaction. A digest costs more than the planner believes, so that workers pay for
/// themselves at once.
pub(super) fn settings(lock_timeout: &str) -> String {
    format!(
        "set local lock_timeout = {}; set local maintenance_work_mem = '256MB'; set local work_mem = '64MB'; \
         set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0.01; set local synchronous_commit = on; \
         set local default_statistics_target = 10",
        literal(lock_timeout)
    )
}
