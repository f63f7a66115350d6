//! Rows that a rollback left where they were, since people had edited them or rows that stay need them, and that are pushed
//! again. The modes `insert` and `replace` leave rows that are there to whoever they belong to; these are the clinic's, and the ledger takes
//! them back as that batch had stored them, so that what people edited is told as that. A mode that may change rows needs
//! nothing of it: it makes them equal, or adopts them.

use anyhow::Result;

use super::compare::{Context, differs};
use super::unknown;
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::error;
use crate::model::ident::literal;
use crate::model::manifest::TableEntry;
use crate::pg::ledger::{self, STORED};

/// The version of the ledger from which on it knows such rows.
const SINCE: i32 = 7;

/// How many rows are taken back into the ledger, by how they are now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Left {
    pub(super) equal: u64,
    pub(super) different: u64,
}

/// Counts them.
pub(super) async fn count(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<Left> {
    let leaves = matches!(context.clinic.load_mode(&entry.table), LoadMode::Insert | LoadMode::Replace);
    if !leaves
        || !ledger::exists(context.client).await?
        || ledger::version(context.client).await? < SINCE
        || context.count(&format!("select count(*) from ({}) keys", keys(context, entry))).await? == 0
    {
        return Ok(Left::default());
    }
    let (rows, differs) = (rows(context, place, entry, codec).await?, differs(codec));
    let sql = format!("select count(*), count(*) filter (where {differs}) from {rows}");
    let row = context.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    let (all, different) = (u64::try_from(row.get::<_, i64>(0))?, u64::try_from(row.get::<_, i64>(1))?);
    Ok(Left { equal: all - different, different })
}

/// The rows, for a FROM clause: `t` is the row that is there, `i` the incoming one. Wants a ledger that knows such rows.
async fn rows(context: &Context<'_>, place: usize, entry: &TableEntry, codec: &TableCodec) -> Result<String> {
    let unknown = unknown::pairs(context, place, entry, codec).await?;
    Ok(format!(
        "{unknown} and (({}) collate \"C\", sha256(convert_to((t.*)::text, 'UTF8'))) in ({})",
        codec.key_sql("t"),
        keys(context, entry)
    ))
}

/// Notes in the batch's digests what was stored of those rows when they were written, instead of what they are now.
pub(super) async fn as_they_were(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    batch: i32,
) -> Result<()> {
    let sql = format!(
        "update trasvase.row_digest_{batch} d set stored = o.stored from \
         (select distinct on (d.key) d.key, {STORED} as stored from trasvase.row_digest d join trasvase.batch b on b.number = d.batch \
          where b.clinic = {clinic} and b.status = 'rolled_back' and d.target_table = {code} order by d.key, d.batch desc) o \
         where d.target_table = {code} and d.key = o.key and d.key in (select key from {left})",
        clinic = literal(context.manifest().clinic.as_str()),
        code = ledger::code_sql(&entry.table.to_string()),
        left = noted(place),
    );
    context.client.batch_execute(&sql).await.map_err(|error| error::postgres(&error))
}

/// Notes the keys of the rows that are taken back, for [`as_they_were`], and gives the rows.
pub(super) async fn note(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
) -> Result<String> {
    let rows = rows(context, place, entry, codec).await?;
    let key = codec.key_sql("t");
    context
        .execute(&format!(
            "create temporary table {} on commit drop as select {key} as key from {rows}",
            noted(place)
        ))
        .await?;
    Ok(rows)
}

/// The temporary table of their keys.
fn noted(place: usize) -> String {
    format!("trasvase_left_behind_{place}")
}

/// A query of the keys that rollbacks of this clinic left in the table, and of what the rows were then.
fn keys(context: &Context<'_>, entry: &TableEntry) -> String {
    format!(
        "select l.key, l.after from trasvase.left_behind l join trasvase.batch b on b.number = l.batch \
         where b.clinic = {} and l.target_table = {}",
        literal(context.manifest().clinic.as_str()),
        ledger::code_sql(&entry.table.to_string())
    )
}
