//! Numbers for new keys: looked up for a plan, reserved for the rows that are written.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;

use super::compare::Context;
use crate::error::Failure;
use crate::model::catalog;
use crate::model::keys::Keys;
use crate::model::manifest::TableEntry;
use crate::pg::numbers::Table;
use crate::snapshot::Snapshot;

/// The snapshot with the numbers that the ledger knows; a row without one is new, and nothing is reserved for it.
pub(super) async fn known(context: &Context<'_>) -> Result<Snapshot> {
    let mut numbers = BTreeMap::new();
    for entry in context.snapshot.with_new_keys() {
        let (table, _) = table(context, entry)?;
        numbers.insert(entry.table.clone(), table.known(context.snapshot.records(entry)?).await?);
    }
    Ok(context.snapshot.numbered(context.catalog, numbers))
}

/// The snapshot with a number for every row, reserved where the ledger knows none.
pub(super) async fn reserved(context: &Context<'_>) -> Result<Snapshot> {
    let mut numbers = BTreeMap::new();
    for entry in context.snapshot.with_new_keys() {
        let (table, sequence) = table(context, entry)?;
        numbers
            .insert(entry.table.clone(), table.reserved(sequence, context.snapshot.records(entry)?).await?);
    }
    Ok(context.snapshot.numbered(context.catalog, numbers))
}

fn table<'a>(context: &Context<'a>, entry: &'a TableEntry) -> Result<(Table<'a>, &'a str)> {
    let manifest = context.snapshot.manifest();
    let Some((key, sequence)) = context.catalog.tables[&entry.table].sequence_key() else {
        return Err(Failure::failed(t!("push.no_sequence", table = entry.table))
            .hint(t!("push.no_sequence_hint", table = entry.table))
            .into());
    };
    let (clinic, product) = (manifest.clinic.as_str(), manifest.product.as_str());
    Ok((Table { client: context.client, clinic, product, name: &entry.table, key }, sequence))
}

/// The written columns whose keys did not come from the sequence behind them, with that sequence: it must be moved past
/// what is written.
pub(super) fn moved<'a>(table: &'a catalog::Table, entry: &TableEntry) -> Vec<(&'a str, &'a str)> {
    let came_from_it = |name: &str| entry.keys == Keys::New && entry.key == [name];
    let written = |name: &str| !entry.fills && entry.columns.iter().any(|written| written.name == name);
    let columns = table.columns.iter().filter(|column| written(&column.name) && !came_from_it(&column.name));
    columns.filter_map(|column| Some((column.name.as_str(), column.sequence.as_deref()?))).collect()
}
