//! A row of the target on its way back: the records that it is made of, and which gave each value.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;

use super::ask::{self, Entry};
use super::find::{carriers, is_known_by, is_of_delivery, records, spelled};
use super::{Given, Options, RowOrigin, vanished};
use crate::error::Failure;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::keys::Keys;

/// What a row is made of, with the `_id`s of its records: as the staging file has it, else as the ledger remembers it.
pub(super) async fn of(options: &Options<'_>, table: &TableName, id: &str) -> Result<(RowOrigin, Vec<i64>)> {
    let staging = options.staging;
    let target = ask::row(options, table, id, None).await?;
    let checked = staging.has_table("meta", "fate")?;
    let mut ids = ask::made_of(options, table, id).await?;
    let ready = !ids.is_empty();
    if !ready {
        ids = remembered(options, table, id).await?;
    }
    if ids.is_empty() && target.as_ref().is_none_or(|target| !target.there && target.batch.is_none()) {
        return Err(Failure::usage(t!("trace.no_row", table = table, id = id))
            .hint(t!("trace.no_row_hint", clinic = options.clinic.name, table = table))
            .into());
    }
    let mut target = target;
    if let Some(stored) =
        target.as_mut().filter(|one| checked && ids.is_empty() && one.there && one.batch.is_some())
    {
        stored.earlier = Some(vanished::why(options, table, id).await?);
    }
    let records = ids.iter().map(|id| spelled(staging, *id)).collect::<Result<_>>()?;
    let columns = if ids.len() > 1 { given(options, &ids)? } else { Vec::new() };
    Ok((RowOrigin { table: table.clone(), id: id.to_owned(), ready, records, columns, target }, ids))
}

/// The records that were to make a row, where none does now: those whose row has its key and is rejected or left out, else the
/// one that the ledger has for it, as long as the staging file has it too.
async fn remembered(options: &Options<'_>, table: &TableName, id: &str) -> Result<Vec<i64>> {
    let keyed = with_key(options, table, id)?;
    if !keyed.is_empty() {
        return Ok(keyed);
    }
    let Some(Entry { kind: source, source_id, record, snapshot, .. }) =
        ask::of_key(options, table, id).await?
    else {
        return Ok(Vec::new());
    };
    let record = record.unwrap_or_default();
    let mut same = Vec::new();
    // In a later delivery another record may stand in its place.
    let is_place = source_id == record;
    if !is_place || is_of_delivery(options, &source, &snapshot)? {
        for placed in records(options, &source, &record).map_or(Vec::new(), |found| found.ids) {
            let known = is_place || is_known_by(options.staging, placed, &source_id)?;
            if known && !makes_another(options, placed, table)? {
                same.push(placed);
            }
        }
    }
    if same.is_empty() && !is_place {
        let keyed = records(options, &source, &source_id).ok().filter(|found| found.by_key);
        same = keyed.map_or(Vec::new(), |found| found.ids);
    }
    Ok(same)
}

/// The records of rows that have this key, or this golden id, before it is decided which are ready.
fn with_key(options: &Options<'_>, table: &TableName, id: &str) -> Result<Vec<i64>> {
    let shape = options.target.and_then(|(_, catalog)| catalog.table(table));
    let key = match shape.map(|shape| shape.primary_key()) {
        Some([key]) if options.clinic.table(table).keys != Keys::New => key.as_str(),
        _ => return Ok(Vec::new()),
    };
    let mut found = Vec::new();
    for one in carriers(options.staging)? {
        let column = match one.schema.as_str() {
            "golden" => "golden_id",
            "target" | "reject" if one.table == table.to_string() => key,
            _ => continue,
        };
        if one.has(column) {
            let (ids, from, column, id) = (one.ids(), one.quoted(), quoted(column), literal(id));
            let sql = format!("select unnest({ids}) from {from} where {column}::varchar = {id}");
            found.extend(options.staging.rows(&sql, |row| row.get::<_, i64>(0))?);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Whether a record makes a row of a table now; it is asked about one that nothing makes.
fn makes_another(options: &Options<'_>, id: i64, table: &TableName) -> Result<bool> {
    if !options.staging.has_table("meta", "fate")? {
        return Ok(false);
    }
    let table = literal(&table.to_string());
    options.staging.value(&format!(
        "select exists (select 1 from meta.fate where _id = {id} and table_name = {table} and fate in ('imported', 'merged'))"
    ))
}

/// Which record each surviving value is from, as `golden` noted it.
fn given(options: &Options<'_>, ids: &[i64]) -> Result<Vec<Given>> {
    let mut columns = Vec::new();
    for carrier in
        carriers(options.staging)?.iter().filter(|one| one.schema == "golden" && one.has("golden_sources"))
    {
        let found: Vec<String> = options.staging.rows(
            &format!(
                "select golden_sources::varchar from {} where golden_sources is not null and {}",
                carrier.quoted(),
                carrier.has_record(ids[0])
            ),
            |row| row.get(0),
        )?;
        for sources in found {
            let sources: BTreeMap<String, String> = serde_json::from_str(&sources)?;
            columns.extend(sources.into_iter().map(|(column, source_id)| Given { column, source_id }));
        }
    }
    Ok(columns)
}
