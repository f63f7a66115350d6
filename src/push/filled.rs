//! Columns that another origin's batches filled in: the models' rows are compared, and written, without them. A row that is
//! deleted and inserted anew, as mode `replace` does, keeps them.

use std::collections::BTreeSet;

use anyhow::Result;
use rust_i18n::t;

use super::compare::Context;
use crate::codec::TableCodec;
use crate::error::Failure;
use crate::model::ident::quoted;
use crate::model::manifest::TableEntry;
use crate::pg::origins;
use crate::snapshot::Snapshot;

/// The snapshot as far as its values are its own.
pub(super) async fn without(context: &Context<'_>, snapshot: Snapshot) -> Result<Snapshot> {
    let filled = origins::filled(context.client, context.manifest()).await?;
    Ok(if filled.is_empty() { snapshot } else { snapshot.without(&filled) })
}

/// Refuses to fill in rows that are not there: what was to be a column would become rows with nothing else in them.
pub(super) fn refuse_new(context: &Context<'_>, entry: &TableEntry, inserts: u64) -> Result<(), Failure> {
    if !entry.fills || inserts == 0 {
        return Ok(());
    }
    let clinic = &context.clinic.name;
    Err(Failure::failed(t!("push.no_row_to_fill", table = entry.table, count = inserts))
        .hint(t!("push.no_row_to_fill_hint", clinic = clinic)))
}

fn kept(place: usize) -> String {
    format!("trasvase_filled_{place}")
}

/// Keeps what others filled in of rows that are deleted now: `condition` is about alias `t`.
pub(super) async fn keep(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    condition: &str,
) -> Result<()> {
    let columns = columns(context, entry).await?;
    if columns.is_empty() {
        return Ok(());
    }
    let list = columns.iter().map(|column| format!("t.{}", quoted(column))).collect::<Vec<_>>().join(", ");
    context
        .execute(&format!(
            "create temporary table {} on commit drop as select {} as trasvase_key, {list} from {} t where {condition}",
            kept(place),
            codec.key_sql("t"),
            entry.table.quoted()
        ))
        .await
}

/// Gives rows that came back what they were kept of.
pub(super) async fn give_back(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<()> {
    let there = format!("select (to_regclass('pg_temp.{}') is not null)::int::bigint", kept(place));
    if context.count(&there).await? == 0 {
        return Ok(());
    }
    let columns = columns(context, entry).await?;
    let set = columns.iter().map(|column| format!("{0} = k.{0}", quoted(column)));
    context
        .execute(&format!(
            "update {} t set {} from {} k where k.trasvase_key = {}",
            entry.table.quoted(),
            set.collect::<Vec<_>>().join(", "),
            kept(place),
            codec.key_sql("t")
        ))
        .await
}

/// The table's columns that others filled in and that are there still.
async fn columns(context: &Context<'_>, entry: &TableEntry) -> Result<BTreeSet<String>> {
    let mut filled = origins::filled(context.client, context.manifest()).await?;
    let mut columns = filled.remove(&entry.table).unwrap_or_default();
    let table = &context.catalog.tables[&entry.table];
    columns.retain(|column| table.column(column).is_some() && !entry.key.contains(column));
    Ok(columns)
}
