//! Rows that the clinic's pushes wrote, that are there still, and that the snapshot does not hold any more: counted, listed
//! or deleted, as [`Rule`](crate::model::vanished::Rule) says. Mode `sync` also looks at rows that others made. Which of them
//! stay since others refer to them, [`super::held`] says.

use std::collections::BTreeMap;

use anyhow::Result;

use super::compare::{Context, incoming, same_key, spare_others, sync_condition};
use super::rows;
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::error;
use crate::model::ident::TableName;
use crate::model::manifest::TableEntry;
use crate::model::merge::{Conflict, OnConflict};
use crate::model::vanished::{Gone, Lot, Rule};
use crate::pg::copy::{Copy, append_text};
use crate::pg::{Asked, Writings};
use crate::snapshot::Refusals;

/// So many rows are decided about at once.
const CHUNK: usize = 10_000;

/// What there is of them in one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Those that stay.
    pub(super) rows: u64,
    /// Of these, rows that people changed, and so not deleted although such rows are.
    pub(super) kept: u64,
    /// Of these, rows that wait for a decision.
    pub(super) conflicts: u64,
    /// Of these, rows that would be deleted, but whose records may be among those that nobody can tell.
    pub(super) unread: u64,
    /// Of these, rows that would be deleted, but that rows which stay refer to.
    pub(super) held: u64,
    /// By table, how many rows refer to such rows.
    pub(super) holders: BTreeMap<TableName, u64>,
}

/// The letter of a row that is deleted once the others are written, since rows refer to it until then.
pub(super) const LATE: &str = "l";

/// The letter of a row that is deleted before any is written.
pub(super) const FIRST: &str = "d";

/// The letters of rows that are deleted.
pub(super) const GOES: [&str; 2] = [FIRST, LATE];

/// The temporary table of their keys: `key`, `known` (a push wrote it), and the letter of its [`Lot`].
fn gathered(place: usize) -> String {
    format!("trasvase_vanished_{place}")
}

/// The same before it is decided what becomes of them.
fn gone(place: usize) -> String {
    format!("trasvase_gone_{place}")
}

/// A condition on alias `t`: rows that are deleted, with these letters; none where such rows stay in any case.
pub(super) async fn condition(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    letters: &[&str],
) -> Result<Option<String>> {
    if !deletes(context, entry) {
        return Ok(None);
    }
    stage(context, place, entry, codec).await?;
    Ok(Some(format!("({}) collate \"C\" in ({})", codec.key_sql("t"), keys_of(place, letters))))
}

fn deletes(context: &Context<'_>, entry: &TableEntry) -> bool {
    let syncs = context.clinic.load_mode(&entry.table) == LoadMode::Sync;
    context.clinic.vanished_rule(&entry.table).deletes(syncs)
}

/// Whether rows of a staged table are deleted as far as their own facts say.
pub(super) async fn any_goes(context: &Context<'_>, place: usize) -> Result<bool> {
    let entry = &context.manifest().tables[place];
    if !deletes(context, entry) {
        return Ok(false);
    }
    let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
    stage(context, place, entry, &codec).await?;
    let deleted = keys_of(place, &GOES);
    Ok(context.count(&format!("select exists ({deleted})::int::bigint")).await? == 1)
}

/// A query of the keys of rows with these letters.
pub(super) fn keys_of(place: usize, letters: &[&str]) -> String {
    let letters = letters.iter().map(|letter| format!("'{letter}'")).collect::<Vec<_>>().join(", ");
    format!("select key from {} where lot in ({letters})", gathered(place))
}

/// Gives the rows of a query of keys another letter; how many there are.
pub(super) async fn mark(context: &Context<'_>, place: usize, letter: &str, keys: &str) -> Result<u64> {
    let sql = format!("update {} set lot = '{letter}' where key in ({keys})", gathered(place));
    context.client.execute(&sql, &[]).await.map_err(|error| error::postgres(&error))
}

/// Counts them, but for those that are deleted.
pub(super) async fn count(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<Counts> {
    if matches!(context.clinic.load_mode(&entry.table), LoadMode::Replace | LoadMode::Append) {
        return Ok(Counts::default());
    }
    stage(context, place, entry, codec).await?;
    let of = |lots: &[Lot]| format!("count(*) filter (where {})", among(lots));
    let each = [of(&STAY), of(&[Lot::Kept]), of(&[Lot::Conflict]), of(&[Lot::Unread]), of(&[Lot::Held])];
    let sql = format!("select {} from {}", each.join(", "), gathered(place));
    let row = context.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    let count = |place| u64::try_from(row.get::<_, i64>(place));
    let (rows, kept, conflicts, unread, held) = (count(0)?, count(1)?, count(2)?, count(3)?, count(4)?);
    Ok(Counts { rows, kept, conflicts, unread, held, holders: BTreeMap::new() })
}

/// A row with one of these is one that vanished and that stays.
const STAY: [Lot; 6] = [Lot::Stays, Lot::Unsaid, Lot::Unread, Lot::Held, Lot::Kept, Lot::Conflict];

/// A condition on a row of [`gathered`]: a push wrote it, and this becomes of it.
fn among(lots: &[Lot]) -> String {
    let letters = lots.iter().map(|lot| format!("'{}'", lot.letter())).collect::<Vec<_>>().join(", ");
    format!("known and lot in ({letters})")
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
        "select v.key, {whole} from {} v join {} t on ({}) collate \"C\" = v.key where {}",
        gathered(place),
        entry.table.quoted(),
        codec.key_sql("t"),
        among(&[Lot::Conflict])
    );
    let rows = context.client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    let told = rows.iter().map(|row| Conflict::row(row.get(0), row.get(1)));
    Ok(Conflict::new("extra_conflict", told.collect()))
}

/// The keys of the first of those that stay.
pub(super) async fn keys(context: &Context<'_>, place: usize, most: usize) -> Result<Vec<String>> {
    let sql = format!("select key from {} where {} order by key limit {most}", gathered(place), among(&STAY));
    let rows = context.client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Gathers them once a transaction, with what becomes of each.
async fn stage(context: &Context<'_>, place: usize, entry: &TableEntry, codec: &TableCodec) -> Result<()> {
    let there = format!("select (to_regclass('pg_temp.{}') is not null)::int::bigint", gathered(place));
    if context.count(&there).await? == 1 {
        return Ok(());
    }
    let writings = Writings::read(context.client, context.manifest(), &entry.table).await?;
    let facts = facts_sql(context, place, entry, codec, writings.as_ref()).await?;
    context
        .execute(&format!(
            "create temporary table {gone} on commit drop as {facts}; analyze {gone}; \
             create temporary table {rows} (key text collate \"C\", known boolean, lot text) on commit drop",
            gone = gone(place),
            rows = gathered(place)
        ))
        .await?;
    if context.count(&format!("select exists (select 1 from {})::int::bigint", gone(place))).await? == 1 {
        decide(context, place, entry, codec, writings.as_ref()).await?;
        context.execute(&format!("analyze {}", gathered(place))).await?;
    }
    Ok(())
}

/// A query of them, with what the ledger knows of each.
async fn facts_sql(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    writings: Option<&Writings>,
) -> Result<String> {
    let (name, key) = (&entry.table, codec.key_sql("t"));
    let reached = match context.clinic.load_mode(name) {
        LoadMode::Sync => {
            let reached = sync_condition(context, place, entry).await?;
            spare_others(context, entry, codec, reached).await?
        }
        _ => "false".to_owned(),
    };
    let absent = format!("not exists (select 1 from {} i where {})", incoming(place), same_key(codec));
    // What goes with a golden id that nobody has is no row that vanished.
    let which = match context.manifest().golden.is_empty() {
        true => absent,
        false => format!(
            "{absent} and (({reached}) or not exists (select 1 from trasvase_retired r where r.was = {key}))"
        ),
    };
    let matters = context.clinic.on_conflict(name) != OnConflict::TakeSource;
    let digests = matters.then(|| codec.digests(&context.catalog.tables[name], "t"));
    let asked = Asked { table: name, key, digests };
    Ok(Writings::gone_sql(writings, &asked, (&which, &reached), ""))
}

/// Decides what becomes of each.
async fn decide(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    writings: Option<&Writings>,
) -> Result<()> {
    let names: Vec<&str> = codec.column_names().collect();
    let mut refusals = context.snapshot.refusals(entry, &names, |values| codec.key_text(values))?;
    if let Some(writings) = writings {
        refusals.settle(&writings.known(context.client, &refusals.placed()).await?);
    }
    let gone = gone(place);
    let records = match writings.filter(|_| refusals.asks_records()) {
        Some(writings) => writings.records_sql(&format!("select key from {gone} where known")),
        None => {
            "select null::text as key, null::text[] as sources, null::text[] as ids where false".to_owned()
        }
    };
    context
        .execute(&format!(
            "declare trasvase_gone no scroll cursor for select g.key, g.known, g.reached, g.edited, \
             coalesce(r.sources, '{{}}'), coalesce(r.ids, '{{}}') from {gone} g left join ({records}) r on r.key = g.key"
        ))
        .await?;
    let rule = context.clinic.vanished_rule(&entry.table);
    loop {
        let fetch = format!("fetch forward {CHUNK} from trasvase_gone");
        let found = context.client.query(&fetch, &[]).await.map_err(|error| error::postgres(&error))?;
        if found.is_empty() {
            return context.execute("close trasvase_gone").await;
        }
        note(context, place, rule, &refusals, &found).await?;
    }
}

/// Notes what becomes of these rows.
async fn note(
    context: &Context<'_>,
    place: usize,
    rule: Rule,
    refusals: &Refusals,
    found: &[tokio_postgres::Row],
) -> Result<()> {
    let into = format!("copy {} (key, known, lot) from stdin (format binary)", gathered(place));
    let mut copy = Copy::start(context.client, &into).await?;
    for row in found {
        let (key, known): (&str, bool) = (row.get(0), row.get(1));
        let (sources, ids): (Vec<String>, Vec<String>) = (row.get(4), row.get(5));
        let record = match known {
            true => refusals.of(key, &sources.into_iter().zip(ids).collect::<Vec<_>>()),
            false => refusals.of_others(key),
        };
        let lot = rule.lot(Gone { known, reached: row.get(2), edited: row.get(3), held: false, record });
        let out = copy.row(3);
        append_text(out, key);
        out.extend_from_slice(&1_i32.to_be_bytes());
        out.push(u8::from(known));
        append_text(out, lot.letter());
        copy.flush_if_full().await?;
    }
    copy.finish().await.map(drop)
}
