//! Rows of the snapshot that people deleted in the target since a push wrote them. `on_conflict` decides of them as of values:
//! they come back, they stay deleted, or they wait for a decision. New rows that refer to one that is not written go unwritten
//! with it, since no foreign key would let them in, and wait where it waits.
//!
//! Such rows are taken out of the table's incoming rows, so that nothing that comes later sees them. What is left out with them
//! is looked for once all tables are staged, again and again until nothing more falls: tables may refer to each other.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;

use super::compare::{Context, incoming, same_key};
use super::rows;
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::error;
use crate::model::catalog::{Constraint, ConstraintKind};
use crate::model::ident::{literal, quoted};
use crate::model::left_out::{DELETED, parent_deleted};
use crate::model::manifest::TableEntry;
use crate::model::merge::{Conflict, Excuse};
use crate::pg::Writings;
use crate::snapshot::LeftOutRows;

/// How many there are of one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Absent {
    /// They come back.
    pub(super) returned: u64,
    /// They stay deleted.
    pub(super) kept: u64,
    /// They wait for a decision.
    pub(super) deleted: u64,
    /// All that waits for one.
    pub(super) conflict: Option<Conflict>,
    /// Left out for good with a row that they refer to.
    pub(super) orphaned: u64,
    /// Left out with a row that waits for a decision.
    pub(super) waiting: u64,
}

const PREFIX: &str = "trasvase_absent_";
/// The columns of such a table beside the row's own.
const WAITS: &str = "trasvase_waits";
const WHY: &str = "trasvase_why";

/// The temporary table of the rows that are left out; there only where some are. Beside their columns: whether they wait for a
/// decision, and what is said of their records.
fn left_out(place: usize) -> String {
    format!("pg_temp.{PREFIX}{place}")
}

/// Whether the table has foreign keys to tables some of whose rows are left out.
pub(super) async fn refers(context: &Context<'_>, entry: &TableEntry) -> Result<bool> {
    Ok(!parents(context, entry, &places(context).await?).is_empty())
}

/// Whether people may have deleted some: then a table without rows is looked at like one with rows.
pub(super) async fn possible(context: &Context<'_>, entry: &TableEntry) -> Result<bool> {
    if matches!(context.clinic.load_mode(&entry.table), LoadMode::Append | LoadMode::Replace) {
        return Ok(false);
    }
    let writings = Writings::read(context.client, context.manifest(), &entry.table).await?;
    let Some(writings) = writings else { return Ok(false) };
    let any = format!(
        "select exists (select 1 from trasvase.row_digest d where {})::int::bigint",
        writings.condition()
    );
    Ok(context.count(&any).await? == 1)
}

/// Takes those that people deleted out of the table's incoming rows.
pub(super) async fn withhold(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<Absent> {
    let mut absent = Absent::default();
    let mode = context.clinic.load_mode(&entry.table);
    let deleted = match mode {
        LoadMode::Append | LoadMode::Replace => None,
        LoadMode::Insert | LoadMode::Upsert | LoadMode::Sync => deleted(context, place, entry, codec).await?,
    };
    if let Some(deleted) = &deleted {
        leave_deleted(context, place, entry, (codec, deleted), &mut absent).await?;
    }
    Ok(absent)
}

/// Takes out of the incoming rows of these tables, which are staged, what refers to a row that is left out.
pub(super) async fn settle(
    context: &Context<'_>,
    staged: impl IntoIterator<Item = usize> + Clone,
) -> Result<()> {
    if places(context).await?.is_empty() {
        return Ok(());
    }
    loop {
        let mut fell = 0;
        for place in staged.clone() {
            let entry = &context.manifest().tables[place];
            let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
            fell += orphaned(context, place, entry, &codec).await?;
        }
        if fell == 0 {
            return Ok(());
        }
    }
}

impl Absent {
    /// Counts what went with rows that are left out, once all that had to go is gone.
    pub(super) async fn settled(mut self, context: &Context<'_>, place: usize) -> Result<Self> {
        if !places(context).await?.contains(&place) {
            return Ok(self);
        }
        let entry = &context.manifest().tables[place];
        let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
        let rows = left_out(place);
        let went =
            |waits: &str| format!("select count(*) from {rows} where {waits} and {WHY} <> '{DELETED}'");
        self.waiting = context.count(&went(WAITS)).await?;
        self.orphaned = context.count(&went(&format!("not {WAITS}"))).await?;
        if self.returned > 0
            && self.orphaned + self.waiting > 0
            && let Some(deleted) = deleted(context, place, entry, &codec).await?
        {
            self.returned = context.count(&format!("{deleted} select count(*) from deleted")).await?;
        }
        if self.deleted + self.waiting > 0 {
            self.conflict = Some(conflict(context, place, entry, &codec).await?);
        }
        Ok(self)
    }
}

/// The incoming rows that the target does not have, with their keys.
fn new_rows(place: usize, entry: &TableEntry, codec: &TableCodec) -> String {
    format!(
        "select ({}) collate \"C\" as key from {} i where not exists (select 1 from {} t where {})",
        codec.key_sql("i"),
        incoming(place),
        entry.table.quoted(),
        same_key(codec)
    )
}

/// A WITH clause whose `deleted` are the keys of incoming rows that people deleted; none where no push wrote the table.
async fn deleted(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<Option<String>> {
    let name = &entry.table;
    let Some(writings) = Writings::read(context.client, context.manifest(), name).await? else {
        return Ok(None);
    };
    // An id that another one becomes now has that one's rows: it is wanted whatever became of it.
    let wanted = match context.manifest().golden.is_empty() {
        true => String::new(),
        false => " and not exists (select 1 from trasvase_moved m where m.golden_id = d.key)".to_owned(),
    };
    Ok(Some(format!(
        "with new as materialized ({}), deleted as materialized ({}{wanted})",
        new_rows(place, entry, codec),
        writings.standing_sql("select key from new")
    )))
}

/// Counts what people deleted, and takes it out where it does not come back.
async fn leave_deleted(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    (codec, with): (&TableCodec, &str),
    absent: &mut Absent,
) -> Result<()> {
    let count = context.count(&format!("{with} select count(*) from deleted")).await?;
    let waits = match context.clinic.on_conflict(&entry.table).of_deleted() {
        _ if count == 0 => return Ok(()),
        None => {
            absent.returned = count;
            return Ok(());
        }
        Some(Excuse::Stands) => {
            absent.kept = count;
            "false"
        }
        Some(Excuse::Waits) => {
            absent.deleted = count;
            "true"
        }
    };
    make(context, place).await?;
    let which = format!("using deleted d where d.key = ({}) collate \"C\"", codec.key_sql("i"));
    take_out(context, place, with, &which, (waits, &format!("'{DELETED}'"))).await.map(drop)
}

/// All of the table's rows that wait for a decision. What stands for them is the same in every run: a new key is told by its
/// record.
async fn conflict(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<Conflict> {
    let steady = context.snapshot.steady_columns(entry);
    let numbered = steady.len() < entry.columns.len();
    let digest = TableCodec::of_columns(&context.catalog.tables[&entry.table], &steady, &[])
        .map_err(|(column, reason)| anyhow::anyhow!("{}.{column}: {reason}", entry.table))?;
    let sql = format!(
        "select {}, {} from {} i where i.{WAITS}",
        codec.key_sql("i"),
        digest.digest_sql("i"),
        left_out(place)
    );
    let rows = context.client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    let mut rows: HashMap<String, Vec<u8>> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut told = Vec::new();
    if numbered {
        let (mut reader, name) = (context.snapshot.rows(entry)?, entry.table.to_string());
        while let Some(row) = reader.next_row()? {
            let key = codec.key_text(&row.values);
            let digest = rows.remove(&key);
            told.extend(digest.map(|digest| Conflict::row(&row.steady_name(&name, &key), &digest)));
        }
    }
    told.extend(rows.iter().map(|(key, digest)| Conflict::row(key, digest)));
    Ok(Conflict::new("missing_conflict", told))
}

async fn make(context: &Context<'_>, place: usize) -> Result<()> {
    let sql = format!(
        "create temporary table if not exists {PREFIX}{place} (like {}, {WAITS} boolean, {WHY} text) on commit drop",
        incoming(place)
    );
    context.execute(&sql).await
}

/// Moves incoming rows `i` to those that are left out, with SQL of whether they wait and of what is said of them; `which` follows
/// `delete from ... i`.
async fn take_out(
    context: &Context<'_>,
    place: usize,
    with: &str,
    which: &str,
    (waits, why): (&str, &str),
) -> Result<u64> {
    let with = if with.is_empty() { "with".to_owned() } else { format!("{with},") };
    let sql = format!(
        "{with} gone as (delete from {} i {which} returning i.*) insert into {} select i.*, {waits}, {why} from gone i",
        incoming(place),
        left_out(place)
    );
    context.client.execute(&sql, &[]).await.map_err(|error| error::postgres(&error))
}

/// Takes out the new rows that refer to rows which were taken out, in other tables or in this one; how many.
async fn orphaned(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<u64> {
    let mut all = 0;
    loop {
        let parents = parents(context, entry, &places(context).await?);
        if parents.is_empty() {
            break;
        }
        make(context, place).await?;
        let lost: Vec<String> = parents.iter().map(|(parent, one)| lost(*parent, one, "")).collect();
        let waits = parents.iter().map(|(parent, one)| lost_waiting(*parent, one));
        let waits = waits.collect::<Vec<_>>().join(" or ");
        let why = parents.iter().zip(&lost).map(|((_, one), lost)| {
            format!("when {lost} then {} ", literal(&parent_deleted(&one.columns, &one.name)))
        });
        let why = format!("case {}end", why.collect::<String>());
        let which = format!(
            "where ({}) and not exists (select 1 from {} t where {})",
            lost.join(" or "),
            entry.table.quoted(),
            same_key(codec)
        );
        match take_out(context, place, "", &which, (&waits, &why)).await? {
            0 => break,
            some => all += some,
        }
    }
    Ok(all)
}

/// SQL of whether the incoming row `i` has in this column a reference to a row that is left out; none where no such row is.
pub(super) async fn lost_columns(
    context: &Context<'_>,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<Vec<Option<String>>> {
    let parents = parents(context, entry, &places(context).await?);
    let of = |name: &str| {
        let keys = parents.iter().filter(|(_, one)| one.columns.iter().any(|column| column == name));
        let lost: Vec<String> = keys.map(|(parent, one)| lost(*parent, one, "")).collect();
        (!lost.is_empty()).then(|| lost.join(" or "))
    };
    Ok(codec.column_names().map(of).collect())
}

/// The keys of all rows that are left out, and what is said of their records.
pub(super) async fn all(context: &Context<'_>) -> Result<LeftOutRows> {
    let mut all = LeftOutRows::new();
    for place in places(context).await? {
        let entry = &context.manifest().tables[place];
        let codec = rows::codec(entry, &context.catalog.tables[&entry.table])?;
        let sql = format!("select {}, {WHY} from {} i", codec.key_sql("i"), left_out(place));
        let found = context.client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        all.insert(entry.table.clone(), found.iter().map(|row| (row.get(0), row.get(1))).collect());
    }
    all.retain(|_, rows| !rows.is_empty());
    Ok(all)
}

/// The tables some of whose rows are left out.
async fn places(context: &Context<'_>) -> Result<BTreeSet<usize>> {
    let sql = format!(
        "select substr(relname, {})::int from pg_class where relnamespace = pg_my_temp_schema() and starts_with(relname, '{PREFIX}')",
        PREFIX.len() + 1
    );
    let rows = context.client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    rows.iter().map(|row| Ok(usize::try_from(row.get::<_, i32>(0))?)).collect()
}

/// The table's foreign keys to such tables, with whose columns all are written.
fn parents<'c>(
    context: &Context<'c>,
    entry: &TableEntry,
    places: &BTreeSet<usize>,
) -> Vec<(usize, &'c Constraint)> {
    let tables = &context.snapshot.manifest().tables;
    let written = |name: &String| entry.columns.iter().any(|column| column.name == *name);
    let keys = context.catalog.tables[&entry.table].foreign_keys();
    let parent = |constraint: &'c Constraint| {
        let ConstraintKind::ForeignKey { references, .. } = &constraint.kind else { return None };
        let place = places.iter().find(|place| tables[**place].table == *references)?;
        constraint.columns.iter().all(written).then_some((*place, constraint))
    };
    keys.filter_map(parent).collect()
}

/// The same, and the row that is left out waits for a decision.
fn lost_waiting(parent: usize, constraint: &Constraint) -> String {
    lost(parent, constraint, &format!(" and a.{WAITS}"))
}

/// SQL of whether the incoming row `i` refers by this key to a row `a` that is left out, and to no other.
fn lost(parent: usize, constraint: &Constraint, which: &str) -> String {
    let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &constraint.kind else {
        return "false".to_owned();
    };
    let same = |alias: &str| {
        let pairs = constraint.columns.iter().zip(referenced_columns);
        let same = pairs.map(|(ours, theirs)| format!("{alias}.{} = i.{}", quoted(theirs), quoted(ours)));
        same.collect::<Vec<_>>().join(" and ")
    };
    format!(
        "(exists (select 1 from {} a where {}{which}) and not exists (select 1 from {} p where {}) \
         and not exists (select 1 from {} n where {}))",
        left_out(parent),
        same("a"),
        references.quoted(),
        same("p"),
        incoming(parent),
        same("n"),
    )
}
