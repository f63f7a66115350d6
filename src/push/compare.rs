//! Compares a snapshot's rows with what the target holds, on the server.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use tokio_postgres::Client;

use super::absent::{self, Absent};
use super::filled;
use super::golden;
use super::held;
use super::left_behind;
use super::merge;
use super::plan::Comparison;
use super::referrers::{self, Deletions, Referrer};
use super::rows;
use super::shared;
use super::unknown;
use super::vanished::{self, FIRST, GOES};
use crate::codec::{LiveOids, TableCodec};
use crate::config::{Clinic, LoadMode, Project};
use crate::desk::{self, Decisions};
use crate::error;
use crate::model::catalog::Catalog;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::manifest::{Manifest, TableEntry};
use crate::model::merge::{Conflict, Fate};
use crate::model::run::Observer;
use crate::model::vanished::Vanished;
use crate::pg::{execute, ledger, origins};
use crate::snapshot::Snapshot;

/// So many keys of rows that the source has no more are listed for a table.
const VANISHED: usize = 1_000;

/// The temporary table that holds a table's incoming rows.
pub(super) fn incoming(place: usize) -> String {
    format!("pg_temp.trasvase_incoming_{place}")
}

/// Everything a comparison and a load need.
pub(super) struct Context<'a> {
    pub(super) client: &'a Client,
    pub(super) aside: Option<&'a Client>,
    pub(super) project: &'a Project,
    pub(super) clinic: &'a Clinic,
    pub(super) snapshot: &'a Snapshot,
    pub(super) catalog: &'a Catalog,
    pub(super) oids: &'a LiveOids,
    pub(super) observer: &'a dyn Observer,
}

impl Context<'_> {
    pub(super) fn manifest(&self) -> &Manifest {
        self.snapshot.manifest()
    }

    pub(super) async fn execute(&self, sql: &str) -> Result<()> {
        execute(self.client, sql).await
    }

    pub(super) async fn count(&self, sql: &str) -> Result<u64> {
        let row = self.client.query_one(sql, &[]).await.map_err(|error| error::postgres(&error))?;
        Ok(u64::try_from(row.get::<_, i64>(0))?)
    }

    async fn is_empty(&self, table: &TableName) -> Result<bool> {
        let sql = format!("select not exists (select 1 from {})", table.quoted());
        Ok(self.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?.get(0))
    }
}

/// What comparing every table gave.
pub(super) struct Compared {
    pub(super) tables: BTreeMap<TableName, Comparison>,
    /// Rows of other tables that keep rows from being deleted.
    pub(super) referrers: Vec<Referrer>,
    pub(super) golden: golden::Compared,
    /// The snapshot is one of models, and the ledger lacks what it tells of records.
    pub(super) untold: bool,
}

/// Compares every table of the snapshot; must run in a transaction. Tables with rows are staged in temporary tables.
pub(super) async fn compare(context: &Context<'_>) -> Result<Compared> {
    let (mut tables, mut deletions) = (BTreeMap::new(), Deletions::new());
    if !context.manifest().golden.is_empty() {
        golden::stage(context).await?;
    }
    let mut absent = stage_filled(context).await?;
    let staged: BTreeSet<usize> = absent.keys().copied().collect();
    for (place, entry) in context.manifest().tables.iter().enumerate() {
        error::interrupt::check()?;
        let mut comparison = match absent.remove(&place) {
            None => Comparison { empty: true, inserts: entry.rows, ..Comparison::default() },
            Some(absent) => compare_filled(context, place, entry, absent, &mut deletions).await?,
        };
        if comparison.vanished.held > 0 {
            comparison.vanished.holders = held::holders(context, &staged, place).await?;
        }
        filled::refuse_new(context, entry, comparison.inserts)?;
        tables.insert(entry.table.clone(), comparison);
    }
    let referrers = referrers::find(context, &deletions).await?;
    let golden = match context.manifest().golden.is_empty() {
        true => golden::Compared::default(),
        false => golden::compare(context, &staged).await?,
    };
    let manifest = context.manifest();
    let untold = manifest.origin.is_models() && !ledger::tells_of(context.client, manifest).await?;
    Ok(Compared { tables, referrers, golden, untold })
}

/// Stages the tables that have rows, or had rows that people deleted, and those that refer to rows which are left out or may go;
/// says by place what is left out of each.
async fn stage_filled(context: &Context<'_>) -> Result<BTreeMap<usize, Absent>> {
    let mut absent = BTreeMap::new();
    let tables = &context.manifest().tables;
    for (place, entry) in tables.iter().enumerate() {
        error::interrupt::check()?;
        if !context.is_empty(&entry.table).await? || absent::possible(context, entry).await? {
            let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
            absent.insert(place, stage(context, place, entry, &codec).await?);
        }
    }
    loop {
        absent::settle(context, absent.keys().copied()).await?;
        let known = absent.len();
        for (place, entry) in tables.iter().enumerate() {
            if !absent.contains_key(&place) && absent::refers(context, entry).await? {
                let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
                absent.insert(place, stage(context, place, entry, &codec).await?);
            }
        }
        if absent.len() == known {
            break;
        }
    }
    let mut staged: BTreeSet<usize> = absent.keys().copied().collect();
    for place in held::referring(context, &staged, &held::going(context, &staged).await?) {
        let entry = &tables[place];
        let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
        absent.insert(place, stage(context, place, entry, &codec).await?);
        staged.insert(place);
    }
    held::settle(context, &staged).await?;
    for (place, one) in &mut absent {
        *one = std::mem::take(one).settled(context, *place).await?;
    }
    Ok(absent)
}

/// The tables without rows: of the batch, and those outside it that reference one of its tables.
pub(super) async fn empty_tables(
    context: &Context<'_>,
    comparisons: &BTreeMap<TableName, Comparison>,
) -> Result<BTreeSet<TableName>> {
    let mut empty: BTreeSet<TableName> =
        comparisons.iter().filter(|(_, comparison)| comparison.empty).map(|(name, _)| name.clone()).collect();
    for name in context.catalog.tables.keys().filter(|name| !comparisons.contains_key(*name)) {
        let references = context.catalog.parents(name).iter().any(|parent| comparisons.contains_key(parent));
        if references && context.is_empty(name).await? {
            empty.insert(name.clone());
        }
    }
    Ok(empty)
}

async fn compare_filled(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    absent: Absent,
    deletions: &mut Deletions,
) -> Result<Comparison> {
    let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
    let deleted = delete_condition(context, place, entry, &codec, &GOES).await?;
    let replaced = context.clinic.load_mode(&entry.table) == LoadMode::Replace;
    // Rows that refer to replaced ones go and come with them, be they equal.
    let anew =
        replaced && context.catalog.parents(&entry.table).iter().any(|one| deletions.contains_key(one));
    let mut comparison = counted(context, place, entry, &codec, (deleted.as_deref(), anew)).await?;
    comparison.absent = absent;
    match context.clinic.load_mode(&entry.table) {
        LoadMode::Append => {
            let present = comparison.different + comparison.unchanged;
            let inserts = comparison.inserts + present;
            let undecided = undecided(context, place, entry, &codec, &comparison).await?;
            let absent = comparison.absent;
            return Ok(Comparison { inserts, present, absent, undecided, ..Comparison::default() });
        }
        LoadMode::Upsert | LoadMode::Sync if comparison.different > 0 => {
            let left = merge::stage(context, place, entry, &codec).await?;
            comparison.merged = merge::count(context, place, &codec, left).await?;
        }
        _ => {}
    }
    let deleted = deleted.filter(|_| comparison.deletes > 0);
    comparison.shared =
        shared::find(context, place, entry, &codec, (&comparison, deleted.as_deref())).await?;
    comparison.vanished = vanished::count(context, place, entry, &codec).await?;
    if comparison.vanished.rows > 0 && context.clinic.vanished(&entry.table) != Some(Vanished::Keep) {
        comparison.vanished_keys = vanished::keys(context, place, VANISHED).await?;
    }
    if comparison.unchanged > 0 {
        comparison.unknown = unknown::count(context, place, entry, &codec, deleted.as_deref()).await?;
    }
    if comparison.unchanged + comparison.different > 0 {
        comparison.left_behind = left_behind::count(context, place, entry, &codec).await?;
    }
    comparison.undecided = undecided(context, place, entry, &codec, &comparison).await?;
    if deleted.is_some()
        && let Some(first) = delete_condition(context, place, entry, &codec, &[FIRST]).await?
    {
        deletions.insert(entry.table.clone(), first);
    }
    Ok(comparison)
}

/// What of a table waits for people's decision, and what they have decided about it.
async fn undecided(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    comparison: &Comparison,
) -> Result<Vec<Conflict>> {
    let mut conflicts: Vec<Conflict> = comparison.absent.conflict.iter().cloned().collect();
    if comparison.merged.fates.contains_key(&Fate::Conflict) {
        conflicts.extend(merge::conflict(context, place, entry, codec).await?);
    }
    if comparison.vanished.conflicts > 0 {
        conflicts.push(vanished::conflict(context, place, entry, codec).await?);
    }
    if !conflicts.is_empty() {
        let decisions = Decisions::read(context.project, context.clinic)?;
        for one in &mut conflicts {
            one.accepted = desk::accepts(&decisions, &entry.table, one);
        }
    }
    Ok(conflicts)
}

/// Counts a table's incoming rows by what the target holds of them, and its rows that meet the condition of deletion. What
/// is deleted is not there any more when rows are inserted; but where all of that comes back as it is, nothing is done, unless
/// it is to be done `anew`.
async fn counted(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    (deleted, anew): (Option<&str>, bool),
) -> Result<Comparison> {
    let table = entry.table.quoted();
    let key = codec.key_names().next().map(quoted).unwrap_or_default();
    let gone = deleted.unwrap_or("false");
    let sql = format!(
        "select count(*) filter (where there and not gone), count(*) filter (where there and not gone and differs), \
         count(*) filter (where gone), count(*) filter (where gone and not differs), \
         (select count(*) from {table} t where {gone}), count(*) from (select t.{key} is not null as there, \
         ({gone}) is true as gone, t.{key} is not null and {differs} as differs \
         from {incoming} i left join {table} t on {same} offset 0) rows",
        differs = differs(codec),
        incoming = incoming(place),
        same = same_key(codec),
    );
    let row = context.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    let count = |place| u64::try_from(row.get::<_, i64>(place));
    let (stays, different, replaced, same, deletes) = (count(0)?, count(1)?, count(2)?, count(3)?, count(4)?);
    let all = count(5)?;
    let comparison = Comparison { different, unchanged: stays - different, ..Comparison::default() };
    if !anew && stays + replaced == all && same == replaced && same == deletes {
        return Ok(Comparison { unchanged: comparison.unchanged + same, ..comparison });
    }
    Ok(Comparison { inserts: all - stays, deletes, ..comparison })
}

/// Fills the temporary table of a table's incoming rows, but for those that are left out since people deleted them; what is
/// left out with these is known once all tables are staged ([`absent::settle`]).
pub(super) async fn stage(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<Absent> {
    let incoming = incoming(place);
    context
        .execute(&format!(
            "create temporary table {} on commit drop as select {} from {} with no data",
            incoming.trim_start_matches("pg_temp."),
            codec.column_list(),
            entry.table.quoted()
        ))
        .await?;
    rows::send(context, entry, codec, &incoming, None).await?;
    context.execute(&format!("analyze {incoming}")).await?;
    absent::withhold(context, place, entry, codec).await
}

pub(super) fn same_key(codec: &TableCodec) -> String {
    codec.key_names().map(|name| format!("t.{0} = i.{0}", quoted(name))).collect::<Vec<_>>().join(" and ")
}

/// Whether two rows differ in any written column, byte by byte as they go over the wire.
pub(super) fn differs(codec: &TableCodec) -> String {
    format!("{} <> {}", codec.digest_sql("i"), codec.digest_sql("t"))
}

/// Which rows are deleted, by `sync`, `replace` or since they vanished: a condition on alias `t`, or none. Of rows that are
/// deleted one by one only those with these letters.
///
/// `sync` deletes rows whose parent is in the snapshot and whose key is not, but for those that are spared; `replace` all rows
/// of the clinic (by its tenant column where the table has it, else all that the ledger says the clinic wrote).
pub(super) async fn delete_condition(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    letters: &[&str],
) -> Result<Option<String>> {
    match context.clinic.load_mode(&entry.table) {
        LoadMode::Append => Ok(None),
        LoadMode::Replace => replace_condition(context, entry, codec).await.map(Some),
        LoadMode::Insert | LoadMode::Upsert | LoadMode::Sync => {
            vanished::condition(context, place, entry, codec, letters).await
        }
    }
}

/// Which rows mode `replace` deletes.
pub(super) async fn replace_condition(
    context: &Context<'_>,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<String> {
    let condition = clinics_rows(context, entry, codec).await?;
    spare_others(context, entry, codec, condition).await
}

/// A condition of deletion, but for rows that only batches of another origin wrote.
pub(super) async fn spare_others(
    context: &Context<'_>,
    entry: &TableEntry,
    codec: &TableCodec,
    condition: String,
) -> Result<String> {
    let (clinic, origin) = (context.manifest().clinic.as_str(), context.manifest().origin);
    let others = origins::keys_of_others(context.client, clinic, origin, &entry.table).await?;
    let key = codec.key_sql("t");
    Ok(match others {
        None => condition,
        Some(others) => format!("({condition}) and ({key}) collate \"C\" not in ({others})"),
    })
}

/// A condition on alias `t`: rows whose parent is in the snapshot.
pub(super) async fn sync_condition(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
) -> Result<String> {
    let found = context.clinic.sync_parent(context.catalog, &entry.table);
    let parent = found.and_then(|(column, parent)| Some((column, context.snapshot.entry(&parent)?)));
    let Some((column, parent)) = parent else {
        let message = rust_i18n::t!("push.sync_by", table = entry.table);
        return Err(error::Failure::usage(message)
            .hint(rust_i18n::t!("push.sync_by_hint", table = entry.table))
            .into());
    };
    let keys = parent_keys(context, place, parent).await?;
    Ok(format!("t.{}::text in (select key from {keys})", quoted(&column)))
}

/// The keys of the snapshot's parents in a temporary table of their own.
async fn parent_keys(context: &Context<'_>, place: usize, parent: &TableEntry) -> Result<String> {
    let name = format!("trasvase_parents_{place}");
    context.execute(&format!("create temporary table {name} (key text primary key) on commit drop")).await?;
    let codec = rows::codec(parent, &context.catalog.tables[&parent.table])?;
    let mut copy = crate::pg::copy::Copy::start(
        context.client,
        &format!("copy {name} (key) from stdin (format binary)"),
    )
    .await?;
    let mut reader = context.snapshot.rows(parent)?;
    while let Some(row) = reader.next_row()? {
        let key = codec.key_text(&row.values);
        let out = copy.row(1);
        crate::pg::copy::append_text(out, &key);
        copy.flush_if_full().await?;
    }
    copy.finish().await?;
    if !context.manifest().golden.is_empty() {
        // What a parent that goes has, its successor will have: it is looked at now, not by the next push.
        context
            .execute(&format!(
                "insert into {name} select r.was from trasvase_retired r where r.holder = '' and exists \
                 (select 1 from {name} k where k.key = r.successor) on conflict do nothing"
            ))
            .await?;
    }
    Ok(format!("pg_temp.{name}"))
}

async fn clinics_rows(context: &Context<'_>, entry: &TableEntry, codec: &TableCodec) -> Result<String> {
    let tenant = context
        .manifest()
        .tenant
        .as_ref()
        .filter(|tenant| context.catalog.tables[&entry.table].column(&tenant.column).is_some());
    Ok(match tenant {
        Some(tenant) => format!("t.{}::text = {}", quoted(&tenant.column), literal(&tenant.value)),
        // Without a ledger no row is known to be the clinic's.
        None if !ledger::exists(context.client).await? => "false".to_owned(),
        None => format!(
            "{} in (select d.key from trasvase.row_digest d join trasvase.batch b on b.number = d.batch \
             join trasvase.name n on n.code = d.target_table \
             where n.name = {} and b.clinic = {} and b.status = 'completed' and {})",
            codec.key_sql("t"),
            literal(&entry.table.to_string()),
            literal(context.manifest().clinic.as_str()),
            origins::is_sql("b", context.manifest().origin),
        ),
    })
}
