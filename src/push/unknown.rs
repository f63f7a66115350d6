//! Rows of the target that equal the snapshot's, but that the ledger does not know: they were there before, or the ledger
//! was lost. Verify counts them as somebody else's. A mode that may change rows takes them over: the ledger notes them as
//! written, with a before-image that says what a rollback leaves, and the rows themselves are not touched. So it is with rows
//! that people and the source have made the same, each by itself.

use anyhow::Result;

use super::compare::{Context, differs, incoming, same_key};
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::model::manifest::TableEntry;
use crate::model::merge::OnConflict;
use crate::pg::ledger;

/// Whether a mode takes such rows over: `insert` leaves rows that are there to whoever they belong to.
pub(super) fn is_adopted(mode: LoadMode) -> bool {
    matches!(mode, LoadMode::Upsert | LoadMode::Sync | LoadMode::Replace)
}

/// How many there are, but for those that meet the condition of deletion.
pub(super) async fn count(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    deleted: Option<&str>,
) -> Result<u64> {
    let stays = format!("({}) is not true", deleted.unwrap_or("false"));
    let unknown = pairs(context, place, entry, codec).await?;
    let any = format!("select exists (select 1 from {unknown} and {stays})::int::bigint");
    // A digest costs more than to look whether there is anything to digest.
    if context.count(&any).await? == 0 {
        return Ok(0);
    }
    context.count(&format!("select count(*) from {unknown} and {stays} and not ({})", differs(codec))).await
}

/// The rows to be taken over, for a FROM clause: `t` is the row that is there, `i` the incoming one.
pub(super) async fn adopted(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<String> {
    let unknown = pairs(context, place, entry, codec).await?;
    Ok(format!("{unknown} and not ({})", differs(codec)))
}

/// The incoming rows `i` with the row `t` that is there and that the ledger does not know, for a FROM clause.
pub(super) async fn pairs(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<String> {
    let (clinic, origin) = (context.manifest().clinic.as_str(), context.manifest().origin);
    let written = ledger::written(context.client, clinic, Some(origin), &entry.table).await?;
    let merges = context.clinic.updates(&entry.table)
        && context.clinic.on_conflict(&entry.table) != OnConflict::TakeSource;
    let known = written.map_or_else(String::new, |written| {
        let key = codec.key_sql("i");
        // Where people's values are told from the source's, what both came to say is the last push's from now on.
        let known = match merges {
            false => format!("trasvase.row_digest d where {written} and d.key = ({key}) collate \"C\""),
            true => format!(
                "(select distinct on (d.key) d.key, d.sent from trasvase.row_digest d where {written} order by d.key, d.batch desc) d \
                 where d.key = ({key}) collate \"C\" and d.sent = {}",
                codec.digest_sql("i")
            ),
        };
        format!(" and not exists (select 1 from {known})")
    });
    Ok(format!("{} i, {} t where {}{known}", incoming(place), entry.table.quoted(), same_key(codec)))
}
