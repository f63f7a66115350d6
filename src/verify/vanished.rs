//! Rows of earlier batches that the snapshot does not have: which of them a push of it leaves, by the rule and the facts by which
//! the push itself decides.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::Result;

use super::cause::Cause;
use super::difference::Found;
use super::standing::Standing;
use super::target_rows::{self, TargetRow, target_rows};
use super::{Compared, Options};
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::error;
use crate::model::ident::TableName;
use crate::model::merge::{Conflict, Excuse, OnConflict};
use crate::model::vanished::{Gone, Lot};
use crate::pg::{Asked, Holding, RecordsOf, Writings};
use crate::snapshot::Refusals;

/// Rows that are looked at at once.
const CHUNK: usize = 5_000;

/// By table and key, what is known of such rows, where a push deletes them.
#[derive(Default)]
pub(super) struct Vanished(BTreeMap<TableName, HashMap<String, Gone>>);

/// Whether a push deletes such rows of a table: then more has to be known than that they are there.
pub(super) fn deletes(options: &Options<'_>, compared: &Compared<'_>) -> bool {
    let name = &compared.entry.table;
    options.clinic.vanished_rule(name).deletes(options.clinic.load_mode(name) == LoadMode::Sync)
}

/// Why such a row is left, if that is right.
pub(super) fn standing(
    options: &Options<'_>,
    compared: &Compared<'_>,
    vanished: Option<&Vanished>,
    key: &str,
    row: &TargetRow,
) -> Option<Standing> {
    let name = &compared.entry.table;
    let gone = match deletes(options, compared) {
        false => Gone::PLAIN,
        true => *vanished?.0.get(name)?.get(key)?,
    };
    let rule = options.clinic.vanished_rule(name);
    match rule.excuse(gone)? {
        Excuse::Stands => Some(Standing { cause: cause(rule.lot(gone)), told: None }),
        Excuse::Waits => {
            Some(Standing::conflict(Conflict::row(key, row.stored.as_deref().unwrap_or_default())))
        }
    }
}

fn cause(lot: Lot) -> Cause {
    match lot {
        Lot::Kept => Cause::Theirs,
        Lot::Held => Cause::Held,
        Lot::Rejected => Cause::Rejected,
        Lot::Unread => Cause::Unread,
        Lot::Deleted | Lot::Stays | Lot::Unsaid | Lot::Conflict => Cause::Stands,
    }
}

/// Looks at those that were found in each table, and at what refers to them.
pub(super) async fn look(
    options: &Options<'_>,
    tables: &[Compared<'_>],
    found: &[Found],
) -> Result<Vanished> {
    let mut vanished = Vanished::default();
    for (compared, found) in tables.iter().zip(found).filter(|(_, found)| !found.extra.is_empty()) {
        let name = &compared.entry.table;
        let Some(writings) = Writings::read(options.client, options.snapshot.manifest(), name).await? else {
            continue;
        };
        let refusals = read(options, compared, &writings).await?;
        let of_table = vanished.0.entry(name.clone()).or_default();
        for keys in found.extra.chunks(CHUNK) {
            error::interrupt::check()?;
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            of_table.extend(look_at(options, compared, &writings, &refusals, &keys).await?);
        }
    }
    hold(options, tables, &mut vanished).await?;
    Ok(vanished)
}

/// What is known of rows with these keys, but for what refers to them.
async fn look_at(
    options: &Options<'_>,
    compared: &Compared<'_>,
    writings: &Writings,
    refusals: &Refusals,
    keys: &[&str],
) -> Result<HashMap<String, Gone>> {
    let records = match refusals.asks_records() {
        true => writings.records(options.client, keys).await?,
        false => RecordsOf::new(),
    };
    let there = match options.clinic.load_mode(&compared.entry.table) {
        LoadMode::Sync => target_rows(options, compared, keys, target_rows::Asked::Columns).await?,
        _ => HashMap::new(),
    };
    let there: Vec<(&str, &TargetRow)> = there.iter().map(|(key, row)| (key.as_str(), row)).collect();
    let mut facts = facts(options, compared, writings, keys, &reached(options, compared, &there)?).await?;
    for (key, gone) in &mut facts {
        gone.record = refusals.of(key, records.get(key).map(Vec::as_slice).unwrap_or_default());
    }
    Ok(facts)
}

/// Notes which of them rows refer to that stay, again and again: a row that is held may hold others.
async fn hold(options: &Options<'_>, tables: &[Compared<'_>], vanished: &mut Vanished) -> Result<()> {
    let mut going: BTreeMap<&TableName, BTreeSet<String>> = BTreeMap::new();
    for compared in tables {
        let name = &compared.entry.table;
        let rule = options.clinic.vanished_rule(name);
        let of_table = vanished.0.get(name).into_iter().flatten();
        let deleted = of_table.filter(|(_, gone)| rule.lot(**gone) == Lot::Deleted);
        let keys: BTreeSet<String> = deleted.map(|(key, _)| key.clone()).collect();
        if !keys.is_empty() {
            going.insert(name, keys);
        }
    }
    loop {
        let mut fell = false;
        for compared in tables {
            let name = &compared.entry.table;
            if !going.contains_key(name) {
                continue;
            }
            for key in held(options, tables, compared, &going).await? {
                if let Some(gone) = vanished.0.get_mut(name).and_then(|rows| rows.get_mut(&key)) {
                    gone.held = true;
                }
                fell |= going.get_mut(name).is_some_and(|keys| keys.remove(&key));
            }
        }
        if !fell {
            return Ok(());
        }
    }
}

/// The keys of a table's rows that are to go and that a row refers to which is not.
async fn held(
    options: &Options<'_>,
    tables: &[Compared<'_>],
    compared: &Compared<'_>,
    going: &BTreeMap<&TableName, BTreeSet<String>>,
) -> Result<BTreeSet<String>> {
    let (parent, mut held) = (&compared.entry.table, BTreeSet::new());
    let keys: Vec<&str> = going[parent].iter().map(String::as_str).collect();
    for (child, constraint) in Holding::keys(options.catalog, parent) {
        let too = going.get(child).into_iter().flatten().map(String::as_str).collect::<Vec<_>>();
        let child_key = tables.iter().find(|one| one.entry.table == *child).map(|one| one.codec.key_sql("t"));
        let rows = Holding::rows_now(child, child_key.as_deref(), "true");
        let holding = Holding { constraint, parent, parent_key: compared.codec.key_sql("p"), rows };
        let keys_of = |place: u8| format!("select unnest(${place}::text[]) collate \"C\" as key");
        let sql = holding.held_sql(&keys_of(1), Some(&keys_of(2)));
        for keys in keys.chunks(CHUNK) {
            error::interrupt::check()?;
            let rows = options.client.query(&sql, &[&keys, &too]).await;
            held.extend(rows.map_err(|error| error::postgres(&error))?.iter().map(|row| row.get(0)));
        }
    }
    Ok(held)
}

/// What the snapshot says was rejected.
async fn read(options: &Options<'_>, compared: &Compared<'_>, writings: &Writings) -> Result<Refusals> {
    let names: Vec<&str> = compared.codec.column_names().collect();
    let key = |values: &[Option<&String>]| compared.codec.key_text(values);
    let mut refusals = options.snapshot.refusals(compared.entry, &names, key)?;
    refusals.settle(&writings.known(options.client, &refusals.placed()).await?);
    Ok(refusals)
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
    let matters = options.clinic.on_conflict(&entry.table) != OnConflict::TakeSource;
    let digests = matters.then(|| codec.digests(table, "t"));
    let key = codec.key_sql("t");
    let which = (codec.key_among_sql("t", "$1::text[]"), format!("{key} = any($2::text[])"));
    let asked = Asked { table: &entry.table, key, digests };
    writings.gone(options.client, &asked, (&which.0, &which.1), (keys, reached)).await
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
