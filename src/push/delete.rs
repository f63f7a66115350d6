//! What a push deletes: before it writes any row, so that those which come may have what these had, or last, where rows refer to them
//! until they are written.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::apply::at_table;
use super::compare::{Context, delete_condition, stage};
use super::plan::Plan;
use super::vanished::{self, FIRST, GOES};
use super::{absent, filled, held, record, rows};
use crate::codec::TableCodec;
use crate::error;
use crate::model::ident::TableName;
use crate::model::manifest::TableEntry;

/// Deletes what the plan deletes, but for what rows refer to until they are written; returns how many rows by the table's place.
/// All tables are staged then.
pub(super) async fn first(
    context: &Context<'_>,
    plan: &Plan,
    ledger: &record::Ledger<'_>,
) -> Result<BTreeMap<usize, u64>> {
    let mut deleted = BTreeMap::new();
    if plan.tables.iter().all(|table| table.deletes == 0) {
        return Ok(deleted);
    }
    let tables = || context.manifest().tables.iter().zip(&plan.tables).enumerate();
    for (place, (entry, _)) in tables().filter(|(_, (_, table))| !table.direct) {
        let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
        stage(context, place, entry, &codec).await.with_context(|| at_table(plan, place, 0))?;
        deleted.insert(place, 0);
    }
    absent::settle(context, deleted.keys().copied()).await?;
    held::settle(context, &deleted.keys().copied().collect()).await?;
    let mut first = Vec::new();
    for (place, (entry, table)) in tables().filter(|(_, (_, table))| table.deletes > 0) {
        let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
        let kept = keep(context, place, entry, &codec, ledger).await;
        kept.with_context(|| at_table(plan, place, 0))?;
        if let Some(condition) = delete_condition(context, place, entry, &codec, &[FIRST]).await? {
            first.push((place, &table.table, condition));
        }
    }
    for (place, rows) in delete(context, &first).await? {
        deleted.insert(place, rows);
    }
    Ok(deleted)
}

/// Keeps the rows of a table as they are that are deleted, first or last.
async fn keep(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    ledger: &record::Ledger<'_>,
) -> Result<()> {
    let Some(condition) = delete_condition(context, place, entry, codec, &GOES).await? else { return Ok(()) };
    filled::keep(context, place, entry, codec, &condition).await?;
    let gone = format!("{} t where {condition}", entry.table.quoted());
    ledger.before_images(context, entry, codec, "delete", &gone).await
}

/// Deletes what rows referred to until now; how many rows by the table's place.
pub(super) async fn last(
    context: &Context<'_>,
    plan: &Plan,
    staged: &BTreeSet<usize>,
) -> Result<Vec<(usize, u64)>> {
    let mut last = Vec::new();
    for place in staged.iter().copied().filter(|place| plan.tables[*place].deletes > 0) {
        let entry = &context.manifest().tables[place];
        let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
        let letters = [vanished::LATE];
        if let Some(condition) = vanished::condition(context, place, entry, &codec, &letters).await? {
            last.push((place, &entry.table, condition));
        }
    }
    delete(context, &last).await
}

/// Deletes the rows `t` that meet these conditions, children before their parents; returns how many by the table's place. Where tables
/// refer to each other one statement deletes from all of them: foreign keys are looked at once it is done.
async fn delete(context: &Context<'_>, rows: &[(usize, &TableName, String)]) -> Result<Vec<(usize, u64)>> {
    let place = |name: &TableName| rows.iter().position(|(_, table, _)| *table == name);
    let circle = rows.iter().enumerate().any(|(at, (_, table, _))| {
        context.catalog.parents(table).iter().any(|parent| place(parent) > Some(at))
    });
    let mut deleted = Vec::new();
    for rows in rows.chunks(if circle { rows.len() } else { 1 }).rev() {
        let each = rows.iter().map(|(place, table, condition)| {
            format!("gone_{place} as (delete from {} t where {condition} returning 1)", table.quoted())
        });
        let counts = rows.iter().map(|(place, ..)| format!("(select count(*) from gone_{place})"));
        let sql = format!(
            "with {} select array[{}]",
            each.collect::<Vec<_>>().join(", "),
            counts.collect::<Vec<_>>().join(", ")
        );
        let found = context.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        let counts: Vec<i64> = found.get(0);
        for ((place, ..), count) in rows.iter().zip(counts) {
            deleted.push((*place, u64::try_from(count)?));
        }
    }
    Ok(deleted)
}
