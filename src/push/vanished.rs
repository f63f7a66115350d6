//! Rows that the clinic's pushes wrote, that are there still, and that the snapshot does not hold any more: counted, listed
//! or deleted, as `vanished` says. A row of a record that is still at the source, but rejected now, is none of them.

use std::collections::BTreeSet;

use anyhow::Result;

use super::compare::{Context, incoming, same_key};
use crate::codec::TableCodec;
use crate::config::{LoadMode, Vanished};
use crate::model::ident::literal;
use crate::model::keys::Keys;
use crate::model::manifest::TableEntry;
use crate::model::merge::{Conflict, OnConflict};
use crate::pg::copy::{Copy, append_text, append_text_or_null};
use crate::pg::fates::digest;
use crate::pg::{UNKNOWN, Writings};

/// What there is of them in one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Gone {
    pub(super) rows: u64,
    /// Of these, rows that people changed, and so not deleted although such rows are.
    pub(super) kept: u64,
    /// Of these, rows that wait for a decision.
    pub(super) conflicts: u64,
    /// Of these, rows that would be deleted, but whose records may be among those that could not be read.
    pub(super) unread: u64,
}

fn rows(place: usize) -> String {
    format!("trasvase_vanished_{place}")
}

/// The keys of rows that are not among them since the source has them still, though rejected.
fn refused(place: usize) -> String {
    format!("trasvase_refused_{place}")
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
    Ok(Some(certain(place, codec)))
}

/// What mode `sync` deletes, but for rows that are rejected or may be, and for those that people made or changed where these
/// are to be respected.
pub(super) async fn spared(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    condition: String,
) -> Result<String> {
    stage(context, place, entry, codec).await?;
    if context.clinic.on_conflict(&entry.table) == OnConflict::TakeSource {
        return Ok(format!(
            "({condition}) and {} not in (select key from {} union all select key from {} where unread)",
            codec.key_sql("t"),
            refused(place),
            rows(place)
        ));
    }
    Ok(format!("({condition}) and {}", certain(place, codec)))
}

/// Whether rows that vanished are deleted. Where rows of the table are rejected and the snapshot, an older one, does not say
/// which, they stay: to be refused is not to be gone.
fn deletes(context: &Context<'_>, entry: &TableEntry) -> bool {
    let (clinic, name) = (context.clinic, &entry.table);
    clinic.vanished(name) == Some(Vanished::Delete)
        && !matches!(clinic.load_mode(name), LoadMode::Replace | LoadMode::Append)
        && (entry.rejected == 0 || context.manifest().rejects.iter().any(|one| one.table == *name))
}

fn certain(place: usize, codec: &TableCodec) -> String {
    format!("{} in (select key from {} where not edited and not unread)", codec.key_sql("t"), rows(place))
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
    if !removes {
        return Ok(Gone { rows: left, ..Gone::default() });
    }
    let unread = context.count(&format!("select count(*) from {rows} where unread")).await?;
    let edited = context.count(&format!("select count(*) from {rows} where edited and not unread")).await?;
    let gone = Gone { rows: left, unread, ..Gone::default() };
    Ok(match context.clinic.on_conflict(&entry.table) {
        OnConflict::Report => Gone { conflicts: edited, ..gone },
        _ => Gone { kept: edited, ..gone },
    })
}

/// The rows that people changed and that wait for a decision.
pub(super) async fn conflict(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<Conflict> {
    let whole = TableCodec::of_table(&context.catalog.tables[&entry.table], &entry.key);
    let whole = whole.map_or_else(|_| "''::bytea".to_owned(), |whole| whole.digest_sql("t"));
    let sql = format!(
        "select v.key, {whole} from {} v join {} t on {} = v.key where v.edited and not v.unread",
        rows(place),
        entry.table.quoted(),
        codec.key_sql("t")
    );
    let rows = context.client.query(&sql, &[]).await.map_err(|error| crate::error::postgres(&error))?;
    let told = rows.iter().map(|row| Conflict::row(row.get(0), row.get(1)));
    Ok(Conflict::new("extra_conflict", told.collect()))
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
    let make = |query: &str| {
        format!(
            "create temporary table {} (key text collate \"C\") on commit drop; \
             create temporary table {rows} on commit drop as {query}; analyze {rows}",
            refused(place)
        )
    };
    let name = &entry.table;
    let Some(writings) = Writings::read(context.client, context.manifest(), name).await? else {
        let none = "select null::text collate \"C\" as key, false as edited, false as unread where false";
        return context.execute(&make(none)).await;
    };
    let key = codec.key_sql("t");
    // What goes with a golden id that nobody has is no row that vanished.
    let retired = match context.manifest().golden.is_empty() {
        true => String::new(),
        false => format!(" and not exists (select 1 from trasvase_retired r where r.was = {key})"),
    };
    let known = format!(
        "select distinct on (d.key) d.key, {} as whole, {} as known, {} as stored from {} where {} \
         order by d.key, d.batch desc",
        writings.whole_sql(),
        writings.has_columns_sql(),
        writings.columns_sql(&codec.column_names().collect::<Vec<_>>()).1,
        writings.digests_sql(),
        writings.condition()
    );
    let gone = format!(
        "with known as materialized ({known}) select known.key, {} as edited, false as unread from {} t join known on known.key = ({key}) collate \"C\" \
         where not exists (select 1 from {} i where {}){retired}",
        edited(context, entry, codec),
        name.quoted(),
        incoming(place),
        same_key(codec),
    );
    context.execute(&make(&gone)).await?;
    rejected(context, place, entry, codec, &writings).await
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
        let one = digest("known.stored", place);
        let now = codec.column_digest_sql("t", place);
        format!("({one} <> {UNKNOWN} and {one} <> substring(sha256({now}) for 8))")
    });
    let changed = changed.collect::<Vec<_>>().join(" or ");
    format!("({whole} or (known.known and ({changed})))")
}

/// Takes out rows that the source has still, but that are rejected; marks those of which nobody can say, since records of
/// their source could not be read.
async fn rejected(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    writings: &Writings,
) -> Result<()> {
    let any = format!("select exists (select 1 from {})::int::bigint", rows(place));
    if context.count(&any).await? == 0 {
        return Ok(());
    }
    context
        .execute(
            "create temporary table if not exists trasvase_rejected (key text, source text, source_id text) on commit drop; \
             truncate trasvase_rejected",
        )
        .await?;
    let into = "copy trasvase_rejected (key, source, source_id) from stdin (format binary)";
    let mut copy = Copy::start(context.client, into).await?;
    let manifest = context.manifest();
    for records in &manifest.records {
        for record in context.snapshot.source_records(records)? {
            let record = record?;
            let Some(source_id) = record.source_id.filter(|_| record.verdict == "rejected") else { continue };
            let out = copy.row(3);
            append_text_or_null(out, None);
            append_text(out, &records.source);
            append_text(out, &source_id);
            copy.flush_if_full().await?;
        }
    }
    let mut unread: BTreeSet<String> = BTreeSet::new();
    let mut all = false;
    for rejects in manifest.rejects.iter().filter(|one| one.table == entry.table) {
        for row in context.snapshot.rejected(rejects)? {
            let row = row?;
            let values = row.values(entry, codec.column_names()).filter(|_| entry.keys != Keys::New);
            let key = values.map(|values| codec.key_text(&values));
            // Where it is known by its place alone, another record may stand there by now.
            let source_id = row.source_id.filter(|id| !is_place(id, row.source.as_deref()));
            if key.is_none() && source_id.is_none() {
                all |= row.source.is_none();
                unread.extend(row.source.clone());
            }
            let out = copy.row(3);
            append_text_or_null(out, key.as_deref());
            // A row of several records is known to the ledger by its first one's source, which may be another by now.
            append_text_or_null(out, None);
            append_text_or_null(out, source_id.as_deref());
            copy.flush_if_full().await?;
        }
    }
    copy.finish().await?;
    let of = format!(
        "trasvase.external_id e join trasvase.name n on n.code = e.type where e.batch in ({}) and e.target_table = {} \
         and e.target_key = v.key",
        writings.numbers(),
        writings.code
    );
    context
        .execute(&format!(
            "with gone as (delete from {rows} v where v.key in (select key from trasvase_rejected where key is not null) \
             or exists (select 1 from {of} and exists (select 1 from trasvase_rejected r \
             where r.source_id = e.source_id and coalesce(r.source, n.name) = n.name)) returning v.key) \
             insert into {refused} select key from gone",
            rows = rows(place),
            refused = refused(place),
        ))
        .await?;
    unread.extend(manifest.sources.iter().filter(|one| one.unreadable > 0).map(|one| one.source.clone()));
    if unread.is_empty() && !all {
        return Ok(());
    }
    let names =
        unread.iter().map(|name| literal(name)).chain(["''".to_owned()]).collect::<Vec<_>>().join(", ");
    // A row of which the ledger does not know the source may be of any.
    context
        .execute(&format!(
            "update {} v set unread = true where {all} or exists (select 1 from {of} and n.name in ({names})) \
             or not exists (select 1 from {of})",
            rows(place)
        ))
        .await
}

/// Whether what a record is known by is its place in its source.
fn is_place(source_id: &str, source: Option<&str>) -> bool {
    source.is_some_and(|source| source_id.strip_prefix(source).is_some_and(|rest| rest.starts_with(':')))
}
