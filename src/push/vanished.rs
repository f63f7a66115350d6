//! Rows that the clinic's pushes wrote, that are there still, and that the snapshot does not hold any more: counted, listed
//! or deleted, as `vanished` says. A row of a record that is still at the source, but rejected now, is none of them.

use anyhow::Result;

use super::compare::{Context, incoming, same_key};
use super::merge;
use crate::codec::TableCodec;
use crate::config::{LoadMode, Vanished};
use crate::model::manifest::TableEntry;
use crate::model::merge::OnConflict;
use crate::pg::copy::{Copy, append_text};
use crate::pg::{UNKNOWN, Writings};

/// What there is of them in one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Gone {
    pub(super) rows: u64,
    /// Of these, rows that people changed, and so not deleted although such rows are.
    pub(super) kept: u64,
    /// Of these, rows that wait for a decision.
    pub(super) conflicts: u64,
}

fn rows(place: usize) -> String {
    format!("trasvase_vanished_{place}")
}

/// A condition on alias `t`: rows that are deleted since they vanished, in whatever mode; none where they stay.
pub(super) async fn condition(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<Option<String>> {
    if !deletes(context, entry) {
        return Ok(None);
    }
    stage(context, place, entry, codec).await?;
    Ok(Some(unedited(place, codec)))
}

/// What mode `sync` deletes, but for rows that people made or changed where these are to be respected.
pub(super) async fn spared(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    condition: String,
) -> Result<String> {
    if context.clinic.on_conflict(&entry.table) == OnConflict::TakeSource {
        return Ok(condition);
    }
    stage(context, place, entry, codec).await?;
    Ok(format!("({condition}) and {}", unedited(place, codec)))
}

/// Whether rows that vanished are deleted. Where rows of the table are rejected and no verdict of a record says which, they
/// stay: to be refused is not to be gone.
fn deletes(context: &Context<'_>, entry: &TableEntry) -> bool {
    let (clinic, name) = (context.clinic, &entry.table);
    let is_primary = clinic.sources.values().any(|source| source.primary.as_ref() == Some(name));
    clinic.vanished(name) == Some(Vanished::Delete)
        && !matches!(clinic.load_mode(name), LoadMode::Replace | LoadMode::Append)
        && (entry.rejected == 0 || is_primary)
}

fn unedited(place: usize, codec: &TableCodec) -> String {
    format!("{} in (select key from {} where not edited)", codec.key_sql("t"), rows(place))
}

/// Counts them; those that `sync` deletes anyway are no part of it.
pub(super) async fn count(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    deleted: Option<&str>,
) -> Result<Gone> {
    if matches!(context.clinic.load_mode(&entry.table), LoadMode::Replace | LoadMode::Append) {
        return Ok(Gone::default());
    }
    stage(context, place, entry, codec).await?;
    let (table, rows) = (entry.table.quoted(), rows(place));
    let all = context.count(&format!("select count(*) from {rows}")).await?;
    if all == 0 {
        return Ok(Gone::default());
    }
    let left = match deleted {
        None => all,
        Some(deleted) => {
            let key = codec.key_sql("t");
            let sql = format!(
                "select count(*) from {rows} v join {table} t on {key} = v.key where ({deleted}) is not true"
            );
            context.count(&sql).await?
        }
    };
    let removes = deletes(context, entry) || context.clinic.load_mode(&entry.table) == LoadMode::Sync;
    let edited = context.count(&format!("select count(*) from {rows} where edited")).await?;
    Ok(match context.clinic.on_conflict(&entry.table) {
        _ if !removes => Gone { rows: left, ..Gone::default() },
        OnConflict::Report => Gone { rows: left, conflicts: edited, kept: 0 },
        _ => Gone { rows: left, kept: edited, conflicts: 0 },
    })
}

/// The keys of the first of those that stay.
pub(super) async fn keys(context: &Context<'_>, place: usize, most: usize) -> Result<Vec<String>> {
    let sql = format!("select key from {} order by key limit {most}", rows(place));
    let rows = context.client.query(&sql, &[]).await.map_err(|error| crate::error::postgres(&error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Gathers their keys once a transaction, and whether people changed them since.
async fn stage(context: &Context<'_>, place: usize, entry: &TableEntry, codec: &TableCodec) -> Result<()> {
    let rows = rows(place);
    let there = format!("select (to_regclass('pg_temp.{rows}') is not null)::int::bigint");
    if context.count(&there).await? == 1 {
        return Ok(());
    }
    let make =
        |query: &str| format!("create temporary table {rows} on commit drop as {query}; analyze {rows}");
    let (clinic, name) = (context.manifest().clinic.as_str(), &entry.table);
    let Some(writings) = Writings::read(context.client, clinic, name).await? else {
        let none = "select null::text collate \"C\" as key, false as edited where false";
        return context.execute(&make(none)).await;
    };
    let key = codec.key_sql("t");
    // What goes with a golden id that nobody has is no row that vanished.
    let retired = match context.manifest().golden.is_empty() {
        true => String::new(),
        false => format!(" and not exists (select 1 from trasvase_retired r where r.was = {key})"),
    };
    let known = format!(
        "select distinct on (d.key) d.key, d.stored as whole, {} as known, {} as stored from trasvase.row_digest d where {} \
         order by d.key, d.batch desc",
        writings.has_columns_sql(),
        writings.columns_sql(&codec.column_names().collect::<Vec<_>>()).1,
        writings.condition()
    );
    let gone = format!(
        "with known as materialized ({known}) select known.key, {} as edited from {} t join known on known.key = ({key}) collate \"C\" \
         where not exists (select 1 from {} i where {}){retired}",
        edited(context, entry, codec),
        name.quoted(),
        incoming(place),
        same_key(codec),
    );
    context.execute(&make(&gone)).await?;
    rejected(context, place, &writings).await
}

/// SQL of whether people changed the row `t` since the push that `known` tells of.
fn edited(context: &Context<'_>, entry: &TableEntry, codec: &TableCodec) -> String {
    let table = &context.catalog.tables[&entry.table];
    if context.clinic.on_conflict(&entry.table) == OnConflict::TakeSource {
        return "false".to_owned();
    }
    let whole = TableCodec::of_table(table, &entry.key);
    let whole =
        whole.map_or_else(|_| "true".to_owned(), |whole| format!("known.whole <> {}", whole.digest_sql("t")));
    let places = 0..codec.column_names().count();
    let changed = places.map(|place| {
        let one = merge::digest("known.stored", place);
        let now = codec.column_digest_sql("t", place);
        format!("({one} <> {UNKNOWN} and {one} <> substring(sha256({now}) for 8))")
    });
    let changed = changed.collect::<Vec<_>>().join(" or ");
    format!("({whole} or (known.known and ({changed})))")
}

/// Takes out rows of records that are at the source still: they are rejected, not gone.
async fn rejected(context: &Context<'_>, place: usize, writings: &Writings) -> Result<()> {
    let any = format!("select exists (select 1 from {})::int::bigint", rows(place));
    if context.count(&any).await? == 0 || context.manifest().records.is_empty() {
        return Ok(());
    }
    context
        .execute(
            "create temporary table if not exists trasvase_rejected (source text, source_id text) on commit drop; \
             truncate trasvase_rejected",
        )
        .await?;
    let into = "copy trasvase_rejected (source, source_id) from stdin (format binary)";
    let mut copy = Copy::start(context.client, into).await?;
    for entry in &context.manifest().records {
        for record in context.snapshot.source_records(entry)? {
            let record = record?;
            let Some(source_id) = record.source_id.filter(|_| record.verdict == "rejected") else { continue };
            let out = copy.row(2);
            append_text(out, &entry.source);
            append_text(out, &source_id);
            copy.flush_if_full().await?;
        }
    }
    copy.finish().await?;
    context
        .execute(&format!(
            "delete from {} v using trasvase.external_id e, trasvase.name n, trasvase_rejected r \
             where e.batch in ({}) and e.target_table = {} and e.target_key = v.key and n.code = e.type \
             and n.name = r.source and e.source_id = r.source_id",
            rows(place),
            writings.numbers(),
            writings.code,
        ))
        .await
}
