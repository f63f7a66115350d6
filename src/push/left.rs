//! Rows that stand in the target as a trigger left them when they were written. They are not what was sent, but to send
//! them again would give the same: a push has nothing to do there, and verify still says in what they differ.

use anyhow::Result;

use super::compare::{Context, differs, incoming, same_key};
use crate::codec::TableCodec;
use crate::config::Triggers;
use crate::model::manifest::TableEntry;
use crate::pg::ledger::{self, STORED};

/// Gathers their keys in a temporary table and counts them: those that the ledger knows as sent like the incoming row and
/// stored like the one that is there. Only where rows are updated, and triggers fire that may have changed them.
pub(super) async fn gather(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<u64> {
    let (clinic, name) = (context.clinic, &entry.table);
    let table = &context.catalog.tables[name];
    let fires = clinic.triggers(name) == Triggers::Fire && table.rewriting_triggers().next().is_some();
    if !clinic.updates(name) || !fires {
        return Ok(0);
    }
    let manifest = context.manifest();
    let written =
        ledger::written(context.client, manifest.clinic.as_str(), Some(manifest.origin), name).await?;
    let Some((written, stored)) = written.zip(TableCodec::of_table(table, &entry.key).ok()) else {
        return Ok(0);
    };
    context
        .execute(&format!(
            "create temporary table {keys} on commit drop as select distinct {key} as key \
             from {incoming} i join {table} t on {same} join trasvase.row_digest d on {written} and d.key = ({key}) collate \"C\" \
             where {differs} and d.sent = {sent} and {STORED} = {stored}; analyze {keys}",
            keys = keys(place),
            key = codec.key_sql("i"),
            incoming = incoming(place),
            table = name.quoted(),
            same = same_key(codec),
            differs = differs(codec),
            sent = codec.digest_sql("i"),
            stored = stored.digest_sql("t"),
        ))
        .await?;
    context.count(&format!("select count(*) from {}", keys(place))).await
}

/// The temporary table of the keys that were gathered.
pub(super) fn keys(place: usize) -> String {
    format!("trasvase_left_{place}")
}
