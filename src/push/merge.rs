//! Rows that are there with other values than the snapshot's, value by value: whose change it is, and what becomes of it.
//!
//! The ledger keeps a digest of each value as it was sent and as it was stored. A value whose digest in the target is still
//! the stored one was changed by nobody; one whose digest in the snapshot is still the sent one did not change at the
//! source. The rule is [`OnConflict::fate`](crate::model::merge::OnConflict::fate). Of a value that stands the digests of the
//! push that wrote it stay, so that it counts as people's however often the row is pushed again.

use std::collections::BTreeMap;

use anyhow::Result;

use super::absent;
use super::compare::{Context, differs, incoming, same_key};
use super::left;
use crate::codec::TableCodec;
use crate::error;
use crate::model::hex;
use crate::model::ident::quoted;
use crate::model::manifest::TableEntry;
use crate::model::merge::{Conflict, Fate, OnConflict};
use crate::pg::Writings;
use crate::pg::fates::{Sides, digest, fates_sql, stands};

/// How many values of each column have which fate; those of rows that triggers left so are not among them.
pub(super) type Fates = BTreeMap<Fate, BTreeMap<String, u64>>;

/// What a merge of one table's rows comes to.
#[derive(Debug, Clone, Default)]
pub(super) struct Merged {
    /// Rows in which a value is written.
    pub(super) updates: u64,
    /// Rows that stand as triggers left them.
    pub(super) left: u64,
    pub(super) fates: Fates,
}

/// The temporary table of the rows that differ: key, the digests of the last push (of what was sent as `base`, of what was
/// stored as `stored`), and a letter for each column's fate.
pub(super) fn rows(place: usize) -> String {
    format!("trasvase_merge_{place}")
}

/// Gathers the rows that differ, once a transaction; returns how many of them stand as triggers left them.
pub(super) async fn stage(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<u64> {
    let rows = rows(place);
    let there = async |name: &str| {
        context.count(&format!("select (to_regclass('pg_temp.{name}') is not null)::int::bigint")).await
    };
    if there(&rows).await? == 1 {
        let keys = left::keys(place);
        return match there(&keys).await? {
            1 => {
                let left = format!("not exists (select 1 from {rows} m where m.key = k.key)");
                context.count(&format!("select count(*) from {keys} k where {left}")).await
            }
            _ => Ok(0),
        };
    }
    let writings = Writings::read(context.client, context.manifest(), &entry.table).await?;
    let lost = absent::lost_columns(context, entry, codec).await?;
    context
        .execute(&format!(
            "create temporary table {rows} on commit drop as {}; analyze {rows}",
            compared(context, place, entry, codec, (writings.as_ref(), lost))
        ))
        .await?;
    if left::gather(context, place, entry, codec).await? == 0 {
        return Ok(0);
    }
    context
        .count(&format!(
            "with done as (delete from {rows} m using {} k where m.key = k.key and m.fates !~ '[skco]' returning 1) \
             select count(*) from done",
            left::keys(place)
        ))
        .await
}

fn compared(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    (writings, lost): (Option<&Writings>, Vec<Option<String>>),
) -> String {
    let whole = TableCodec::of_table(&context.catalog.tables[&entry.table], &entry.key);
    let sides = Sides {
        incoming: &incoming(place),
        table: entry.table.quoted(),
        key: codec.key_sql("i"),
        same: same_key(codec),
        differs: differs(codec),
        ours: codec.column_digests_sql("i"),
        theirs: codec.column_digests_sql("t"),
        whole: whole.map_or_else(|_| "null::bytea".to_owned(), |whole| whole.digest_sql("t")),
        columns: codec.column_names().collect(),
        lost,
    };
    fates_sql(&sides, context.clinic.on_conflict(&entry.table), writings)
}

/// Counts what [`stage`] gathered.
pub(super) async fn count(
    context: &Context<'_>,
    place: usize,
    codec: &TableCodec,
    left: u64,
) -> Result<Merged> {
    let names: Vec<&str> = codec.column_names().collect();
    let told = Fate::ALL.into_iter().filter(|fate| *fate != Fate::Same).collect::<Vec<_>>();
    let one = |place: usize, fate: &Fate| {
        format!("count(*) filter (where substr(fates, {}, 1) = '{}')", place + 1, fate.letter())
    };
    let counts = (0..names.len()).flat_map(|place| told.iter().map(move |fate| one(place, fate)));
    let counts = counts.collect::<Vec<_>>();
    let mut merged = Merged { left, ..Merged::default() };
    merged.updates =
        context.count(&format!("select count(*) from {} where fates ~ '[to]'", rows(place))).await?;
    // A query has at most 1,664 columns.
    for (chunk, names) in counts.chunks(told.len() * 100).zip(names.chunks(100)) {
        let sql = format!("select {} from {}", chunk.join(", "), rows(place));
        let row = context.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        for (place, (name, fate)) in
            names.iter().flat_map(|name| told.iter().map(move |fate| (name, fate))).enumerate()
        {
            let values = u64::try_from(row.get::<_, i64>(place))?;
            if values > 0 {
                merged.fates.entry(*fate).or_default().insert((*name).to_owned(), values);
            }
        }
    }
    Ok(merged)
}

/// The rows of which people and the source changed the same value to something else, where that is to be reported.
pub(super) async fn conflict(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<Option<Conflict>> {
    if context.clinic.on_conflict(&entry.table) != OnConflict::Report {
        return Ok(None);
    }
    let sql = format!("select key, fates, ours, theirs from {} where fates ~ 'c'", rows(place));
    let rows = context.client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    let told = rows.iter().map(|row| {
        let (key, fates, ours, theirs): (&str, &str, &[u8], &[u8]) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let columns = codec.column_names().zip(fates.chars()).enumerate();
        let columns = columns.filter(|(_, (_, fate))| *fate == Fate::Conflict.letter());
        let of =
            |digests: &[u8], place: usize| hex(digests.get(place * 8..place * 8 + 8).unwrap_or_default());
        Conflict::values(key, columns.map(|(place, (name, _))| (name, of(ours, place), of(theirs, place))))
    });
    Ok((!rows.is_empty()).then(|| Conflict::new("kept_conflict", told.collect())))
}

/// Which rows a push updates, on the incoming row `i` and the row that is there `t`.
pub(super) fn to_update(place: usize, codec: &TableCodec) -> String {
    format!(
        "exists (select 1 from {} m where m.key = {} and m.fates ~ '[to]') and {}",
        rows(place),
        codec.key_sql("i"),
        differs(codec)
    )
}

/// SET clauses by which the row `t` gets the values of `i`, but for those that stand; `m` is its row of [`rows`], if it has
/// one.
pub(super) fn assignments<'n>(codec: &'n TableCodec, wanted: impl Fn(&str) -> bool) -> String {
    let one = |(place, name): (usize, &'n str)| {
        let (name, stands) = (quoted(name), stands("m.fates", place));
        format!("{name} = case when {stands} then t.{name} else i.{name} end")
    };
    let names = codec.column_names().enumerate().filter(|(_, name)| wanted(name));
    names.map(one).collect::<Vec<_>>().join(", ")
}

/// SQL of a written row's digests of columns: those of `m` where a value stands, else those of `written`.
pub(super) fn carried(codec: &TableCodec, of: &str, written: &str) -> String {
    let one = |place| {
        format!(
            "case when {} then {} else {} end",
            stands("m.fates", place),
            digest(of, place),
            digest(written, place)
        )
    };
    (0..codec.column_names().count()).map(one).collect::<Vec<_>>().join(" || ")
}
