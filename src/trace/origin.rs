//! A row of the target on its way back: the records that it is made of, and which gave each value.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;

use super::find::{carriers, is_known_by, spelled};
use super::{Given, Options, RowOrigin, ask, earlier};
use crate::error::Failure;
use crate::model::ident::{TableName, literal};

/// What a row is made of, with the `_id`s of its records: as the staging file has it, else as the ledger remembers it.
pub(super) async fn of(options: &Options<'_>, table: &TableName, id: &str) -> Result<(RowOrigin, Vec<i64>)> {
    let staging = options.staging;
    let target = ask::row(options, table, id, None).await?;
    let checked = staging.has_table("meta", "fate")?;
    let mut ids: Vec<i64> = match checked {
        true => staging.rows(
            &format!(
                "select distinct _id from meta.fate where fate in ('imported', 'merged') and table_name = {} and target_id = {} order by 1",
                literal(&table.to_string()),
                literal(id)
            ),
            |row| row.get(0),
        )?,
        false => Vec::new(),
    };
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
        stored.earlier = Some(earlier::vanished(options, table));
    }
    let records = ids.iter().map(|id| spelled(staging, *id)).collect::<Result<_>>()?;
    let columns = if ids.len() > 1 { given(options, &ids)? } else { Vec::new() };
    Ok((RowOrigin { table: table.clone(), id: id.to_owned(), ready, records, columns, target }, ids))
}

/// The record that the ledger has for a row, as long as the staging file has it too.
async fn remembered(options: &Options<'_>, table: &TableName, id: &str) -> Result<Vec<i64>> {
    let Some((record, source_id)) = ask::record_of(options, table, id).await? else { return Ok(Vec::new()) };
    let Some(source) = record.rsplitn(3, ':').nth(2) else { return Ok(Vec::new()) };
    let mut same = Vec::new();
    // In a later delivery another record may stand in its place.
    for placed in super::find::records(options, source, &record).map_or(Vec::new(), |found| found.ids) {
        let known = source_id == record || is_known_by(options.staging, placed, &source_id)?;
        if known && !makes_another(options, placed, table)? {
            same.push(placed);
        }
    }
    if same.is_empty() && source_id != record {
        let keyed = super::find::records(options, source, &source_id).ok().filter(|found| found.by_key);
        same = keyed.map_or(Vec::new(), |found| found.ids);
    }
    Ok(same)
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
