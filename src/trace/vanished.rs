//! Why a row stands that no record makes: by the rule and the facts by which a push decides about it.

use anyhow::Result;

use super::{Earlier, Options, ask};
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::error;
use crate::model::ident::{TableName, quoted};
use crate::model::merge::OnConflict;
use crate::model::vanished::{Gone, Lot, Vanished};
use crate::pg::{Asked, Writings};
use crate::snapshot::Snapshot;

/// Why such a row of a clinic's batch stands.
pub(super) async fn why(options: &Options<'_>, table: &TableName, key: &str) -> Result<Earlier> {
    let rule = options.clinic.vanished_rule(table);
    let deletes = rule.deletes(options.clinic.load_mode(table) == LoadMode::Sync);
    let facts = if deletes { facts(options, table, key).await? } else { None };
    let Facts { gone, nameless } = facts.unwrap_or(Facts { gone: Gone::PLAIN, nameless: false });
    Ok(match rule.lot(gone) {
        // What refers to it is left open.
        Lot::Deleted | Lot::Held => Earlier::Deleted,
        Lot::Stays if rule.vanished == Some(Vanished::Flag) => Earlier::Flagged,
        Lot::Stays => Earlier::Kept,
        Lot::Unsaid => Earlier::Unsaid,
        Lot::Rejected => Earlier::Rejected,
        Lot::Unread if nameless => Earlier::Nameless,
        Lot::Unread => Earlier::Unread,
        Lot::Kept => Earlier::Theirs,
        Lot::Conflict => Earlier::Waits,
    })
}

/// What is known of a row.
struct Facts {
    gone: Gone,
    /// Rejected rows of its table have nothing to know them by.
    nameless: bool,
}

/// What the latest snapshot and the ledger tell of it; none where there is no snapshot of the table.
async fn facts(options: &Options<'_>, table: &TableName, key: &str) -> Result<Option<Facts>> {
    let Some((client, catalog)) = options.target else { return Ok(None) };
    let snapshots = options.project.snapshots_dir(&options.clinic.name);
    let Ok(snapshot) = Snapshot::find(&snapshots, None) else { return Ok(None) };
    let (Some(entry), Some(shape)) = (snapshot.entry(table), catalog.table(table)) else { return Ok(None) };
    let Ok(codec) = TableCodec::of_entry(shape, entry) else { return Ok(None) };
    let Some(writings) = Writings::read(client, snapshot.manifest(), table).await? else { return Ok(None) };
    let names: Vec<&str> = codec.column_names().collect();
    // A purge leaves the manifest alone of a snapshot.
    let Ok(mut refusals) = snapshot.refusals(entry, &names, |values| codec.key_text(values)) else {
        return Ok(None);
    };
    refusals.settle(&writings.known(client, &refusals.placed()).await?);
    let records = writings.records(client, &[key]).await?.remove(key).unwrap_or_default();
    let matters = options.clinic.on_conflict(table) != OnConflict::TakeSource;
    let digests = matters.then(|| codec.digests(shape, "t"));
    let asked = Asked { table, key: codec.key_sql("t"), digests };
    let which = (codec.key_among_sql("t", "$1::text[]"), format!("{} = any($2::text[])", asked.key));
    let reached = if is_reached(options, &codec, table, key).await? { vec![key] } else { Vec::new() };
    let mut found = writings.gone(client, &asked, (&which.0, &which.1), (&[key], &reached)).await?;
    let record = refusals.of(key, &records);
    Ok(found
        .remove(key)
        .map(|gone| Facts { gone: Gone { record, ..gone }, nameless: refusals.is_nameless() }))
}

/// Whether mode `sync` makes the row equal: its parent is among those that are ready.
async fn is_reached(options: &Options<'_>, codec: &TableCodec, table: &TableName, key: &str) -> Result<bool> {
    let Some((client, catalog)) = options.target else { return Ok(false) };
    let syncs = options.clinic.load_mode(table) == LoadMode::Sync;
    let parent = options.clinic.sync_parent(catalog, table).filter(|_| syncs);
    let Some((column, parent)) = parent else { return Ok(false) };
    let (column, from, own) = (quoted(&column), table.quoted(), codec.key_sql("t"));
    let sql = format!("select t.{column}::text from {from} t where {own} = $1");
    let row = client.query_opt(&sql, &[&key]).await.map_err(|error| error::postgres(&error))?;
    let Some(parent_key) = row.and_then(|row| row.get::<_, Option<String>>(0)) else { return Ok(false) };
    Ok(!ask::made_of(options, &parent, &parent_key).await?.is_empty())
}
