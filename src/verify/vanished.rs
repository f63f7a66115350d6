//! Rows of earlier batches that the snapshot does not have: which of them a push of it leaves, by the rule and the facts by which
//! the push itself decides.

use std::collections::{HashMap, HashSet};

use anyhow::Result;

use super::standing::Standing;
use super::target_rows::TargetRow;
use super::{Compared, Options};
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::error;
use crate::model::merge::{Conflict, Excuse, OnConflict};
use crate::model::vanished::{Gone, Record};
use crate::pg::{Asked, Digests, RecordsOf, Writings};
use crate::snapshot::Refusals;

/// Why rows with these keys are left, of those that are left rightly. `refusals` are read with the first of them that
/// matters.
pub(super) async fn left(
    options: &Options<'_>,
    compared: &Compared<'_>,
    there: &[(&str, &TargetRow)],
    refusals: &mut Option<Refusals>,
) -> Result<HashMap<String, Standing>> {
    let name = &compared.entry.table;
    let rule = options.clinic.vanished_rule(name);
    let mut found = HashMap::new();
    let mut note = |key: &str, row: &TargetRow, gone: Gone| {
        let standing = match rule.excuse(gone) {
            Some(Excuse::Stands) => Standing::stands(),
            Some(Excuse::Waits) => {
                Standing::conflict(Conflict::row(key, row.stored.as_deref().unwrap_or_default()))
            }
            None => return,
        };
        found.insert(key.to_owned(), standing);
    };
    if !rule.deletes(options.clinic.load_mode(name) == LoadMode::Sync) {
        let gone = Gone { known: true, reached: false, edited: false, record: Record::Gone };
        there.iter().for_each(|(key, row)| note(key, row, gone));
        return Ok(found);
    }
    let Some(writings) = Writings::read(options.client, options.snapshot.manifest(), name).await? else {
        return Ok(found);
    };
    let keys: Vec<&str> = there.iter().map(|(key, _)| *key).collect();
    let refusals = match refusals {
        Some(refusals) => refusals,
        None => refusals.insert(read(options, compared, &writings).await?),
    };
    let records = match refusals.asks_records() {
        true => records(options, &writings, &keys).await?,
        false => RecordsOf::new(),
    };
    let mut facts = facts(options, compared, &writings, &keys, &reached(options, compared, there)?).await?;
    for (key, row) in there {
        let Some(gone) = facts.remove(*key) else { continue };
        let of = records.get(*key).map(Vec::as_slice).unwrap_or_default();
        note(key, row, Gone { record: refusals.of(key, of), ..gone });
    }
    Ok(found)
}

/// What the snapshot says was rejected.
async fn read(options: &Options<'_>, compared: &Compared<'_>, writings: &Writings) -> Result<Refusals> {
    let names: Vec<&str> = compared.codec.column_names().collect();
    let key = |values: &[Option<&String>]| compared.codec.key_text(values);
    let mut refusals = options.snapshot.refusals(compared.entry, &names, key)?;
    refusals.settle(&writings.known(options.client, &refusals.placed()).await?);
    Ok(refusals)
}

/// What the ledger knows the records of these rows by.
async fn records(options: &Options<'_>, writings: &Writings, keys: &[&str]) -> Result<RecordsOf> {
    let sql = writings.records_sql("select unnest($1::text[])");
    let rows = options.client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
    let of = |row: &tokio_postgres::Row| {
        let (sources, ids): (Vec<String>, Vec<String>) = (row.get(1), row.get(2));
        (row.get(0), sources.into_iter().zip(ids).collect())
    };
    Ok(rows.iter().map(of).collect())
}

/// What is known of these rows but for their records.
async fn facts(
    options: &Options<'_>,
    compared: &Compared<'_>,
    writings: &Writings,
    keys: &[&str],
    reached: &[&str],
) -> Result<HashMap<String, Gone>> {
    let Compared { entry, table, codec, .. } = compared;
    let whole = TableCodec::of_table(table, &entry.key).ok();
    let columns = codec.column_names().enumerate();
    let digests = Digests {
        whole: whole.map(|whole| whole.digest_sql("t")),
        columns: columns.map(|(place, name)| (name, codec.column_digest_sql("t", place))).collect(),
    };
    let matters = options.clinic.on_conflict(&entry.table) != OnConflict::TakeSource;
    let key = codec.key_sql("t");
    let which = (codec.key_among_sql("t", "$1::text[]"), format!("{key} = any($2::text[])"));
    let asked = Asked { table: &entry.table, key, digests: matters.then_some(digests) };
    let sql =
        Writings::gone_sql(Some(writings), &asked, (&which.0, &which.1), " and d.key = any($1::text[])");
    let rows =
        options.client.query(&sql, &[&keys, &reached]).await.map_err(|error| error::postgres(&error))?;
    let gone = |row: &tokio_postgres::Row| {
        let (known, reached, edited) = (row.get(1), row.get(2), row.get(3));
        (row.get(0), Gone { known, reached, edited, record: Record::Gone })
    };
    Ok(rows.iter().map(gone).collect())
}

/// The keys of rows that mode `sync` makes equal: their parent is in the snapshot.
fn reached<'k>(
    options: &Options<'_>,
    compared: &Compared<'_>,
    there: &[(&'k str, &TargetRow)],
) -> Result<Vec<&'k str>> {
    let name = &compared.entry.table;
    let syncs = options.clinic.load_mode(name) == LoadMode::Sync;
    let parent = options.clinic.sync_parent(options.catalog, name).filter(|_| syncs);
    let found = parent.and_then(|(column, parent)| {
        let place = compared.codec.column_names().position(|name| name == column)?;
        Some((place, options.snapshot.entry(&parent)?, options.catalog.table(&parent)?))
    });
    let Some((place, parent, table)) = found else { return Ok(Vec::new()) };
    let Ok(codec) = TableCodec::of_entry(table, parent) else { return Ok(Vec::new()) };
    let wanted: HashSet<&str> = there.iter().filter_map(|(_, row)| row.text(place)).collect();
    let (mut present, mut reader) = (HashSet::new(), options.snapshot.rows(parent)?);
    while let Some(row) = reader.next_row()? {
        let key = codec.key_text(&row.values);
        if wanted.contains(key.as_str()) {
            present.insert(key);
        }
    }
    let reached = there.iter().filter(|(_, row)| row.text(place).is_some_and(|text| present.contains(text)));
    Ok(reached.map(|(key, _)| *key).collect())
}
