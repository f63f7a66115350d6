//! The verdicts of the source records: what push puts into the ledger, on a machine that has no staging file.
//!
//! A record that is plainly imported needs no line: the rows of `data` name it, and the ledger knows it by them. So a
//! clinic of millions of records has a line for each of the few that are rejected, merged or filtered. A clinic that
//! keeps its rows (`[ledger] keep_rows`) has one for each.

use std::path::Path;

use anyhow::Result;

use super::{Options, source_names, spelled};
use crate::model::ident::{TableName, literal, quoted};
use crate::model::manifest::{RecordsEntry, SourceCount};
use crate::snapshot::Part;
use crate::staging::Staging;

/// Writes the file of every source with records to tell of. One that no model reads has one verdict for all of them,
/// which the manifest's counts say.
pub(super) fn write(
    options: &Options<'_>,
    tables: &[TableName],
    partial: &Path,
) -> Result<Vec<RecordsEntry>> {
    let mut entries = Vec::new();
    let spelling = source_names(options.staging)?;
    for count in options.sources.iter().filter(|count| !count.unread) {
        let feeding = feeding(options, &count.source, tables);
        let rows = told(options, count);
        if feeding.is_empty() || rows == 0 || !options.staging.has_table("raw", &count.source)? {
            continue;
        }
        let write = |path: &Path| {
            options.staging.execute(&copy_sql(options, &count.source, &feeding, &spelling, path)?)
        };
        let (Part { file, sha256, bytes }, _) = Part::write(partial, ("records", &count.source), write)?;
        entries.push(RecordsEntry { source: count.source.clone(), file, sha256, bytes, rows });
    }
    Ok(entries)
}

/// The tables that decide about a source's records; none in a run that is not about them.
fn feeding<'t>(options: &Options<'_>, source: &str, tables: &'t [TableName]) -> Vec<&'t TableName> {
    let primary = options.clinic.sources.get(source).and_then(|settings| settings.primary.as_ref());
    tables.iter().filter(|table| primary.is_none_or(|primary| *table == primary)).collect()
}

/// How many records get a line.
fn told(options: &Options<'_>, count: &SourceCount) -> u64 {
    let imported = if options.clinic.ledger.keep_rows { count.imported } else { 0 };
    count.rejected + count.merged + count.filtered + imported
}

fn copy_sql(
    options: &Options<'_>,
    source: &str,
    feeding: &[&TableName],
    spelling: &str,
    path: &Path,
) -> Result<String> {
    let (name, keep) = (literal(source), options.clinic.ledger.keep_rows);
    let (joined, original) = match keep {
        true => {
            (format!("left join ({}) raw using (_id)", originals(options.staging, source)?), "raw.original")
        }
        false => (String::new(), "null"),
    };
    Ok(format!(
        "copy (with verdict as (select _id, verdict from meta.verdict where source = {name} and {which} \
           union all select distinct _id, 'rejected' from meta.fate where source = {name} and fate = 'rejected' and table_name is null), \
         failed as (select _id, list(distinct detail order by detail) as errors from meta.fate \
           where source = {name} and fate = 'rejected' and coalesce(table_name, {first}) in ({names}) group by _id), \
         twice as (select _id, min(kept) as kept from ({twice}) where kept <> _id group by _id), \
         known as ({known}) \
         select {record} as record, known.source_id, verdict, coalesce(errors, []) as errors, {kept} as duplicate_of, \
           {original} as original from verdict left join failed using (_id) left join twice using (_id) \
         left join known using (_id) {joined} order by _id) to {path} (format json, array false)",
        which = if keep { "true" } else { "verdict <> 'imported'" },
        first = literal(&feeding[0].to_string()),
        names = feeding.iter().map(|table| literal(&table.to_string())).collect::<Vec<_>>().join(", "),
        twice = feeding.iter().map(|table| twice_sql(table)).collect::<Vec<_>>().join(" union all "),
        known = known_sql(
            options.staging,
            options.clinic.sources.get(source).and_then(|one| one.primary.as_ref())
        )?,
        record = spelled("_id", spelling),
        kept = spelled("twice.kept", spelling),
        path = literal(&path.to_string_lossy()),
    ))
}

/// Which record stands in a record's place: the first one of its row, or of the row that has its key.
fn twice_sql(table: &TableName) -> String {
    let (ready, reject) = (table.staged("ready"), table.staged("reject"));
    format!(
        "select unnest(_ids[2:]) as _id, _ids[1] as kept from {ready} where len(_ids) > 1 \
         union all select unnest(_record_ids), error.kept \
         from {reject}, unnest(_errors) as one(error) where error.kept is not null"
    )
}

/// The natural key of each record in `verdict` that `clean` knows: `clean.<table>` of the source's primary target.
fn known_sql(staging: &Staging, primary: Option<&TableName>) -> Result<String> {
    let none = || "select null::bigint as _id, null::varchar as source_id where false".to_owned();
    let Some(primary) = primary else { return Ok(none()) };
    let Some(ids) = staging.record_ids(primary)? else { return Ok(none()) };
    Ok(format!(
        "select _id, min(source_id)::varchar as source_id from (select {ids} as _id, source_id from {}) \
         semi join verdict using (_id) group by _id",
        primary.staged("clean")
    ))
}

/// The cells of each record as a JSON object of texts, documents too: DuckDB would print their numbers anew. PostgreSQL takes no
/// NUL, so its picture stands for it.
fn originals(staging: &Staging, source: &str) -> Result<String> {
    let cells: Vec<String> = staging.rows(
        &format!(
            "select column_name from duckdb_columns() where schema_name = 'raw' and table_name = {} \
             and column_name not in ('_id', '_file', '_row') order by column_index",
            literal(source)
        ),
        |row| {
            let name: String = row.get(0)?;
            Ok(format!("{}, replace({}::varchar, chr(0), '␀')", literal(&name), quoted(&name)))
        },
    )?;
    Ok(format!("select _id, json_object({}) as original from raw.{}", cells.join(", "), quoted(source)))
}
