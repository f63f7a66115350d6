//! Whose rows and values are whose, where batches of several origins write one table.
//!
//! A row is of the origins that wrote it. One of another origin alone is neither compared nor deleted; in one of ours, the
//! columns that another origin filled in are no part of what we say.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;
use tokio_postgres::Client;

use super::ledger::{self, ORIGIN, Shape};
use crate::error;
use crate::model::ident::TableName;
use crate::model::manifest::{Manifest, Origin};

/// So many records are asked about at once.
const AT_ONCE: usize = 5_000;

/// SQL of whether the batch under this alias is of an origin.
pub fn is_sql(alias: &str, origin: Origin) -> String {
    format!("coalesce(to_jsonb({alias}) ->> 'origin', 'models') = '{}'", origin.as_str())
}

/// The columns that completed batches of other origins filled in, by table.
///
/// # Errors
/// A damaged ledger, or one that cannot be read.
pub async fn filled(client: &Client, manifest: &Manifest) -> Result<BTreeMap<TableName, BTreeSet<String>>> {
    let mut filled: BTreeMap<TableName, BTreeSet<String>> = BTreeMap::new();
    if !ledger::exists(client).await? {
        return Ok(filled);
    }
    let sql = format!(
        "select to_jsonb(batch) ->> 'shape' from trasvase.batch where clinic = $1 and status = 'completed' \
         and {ORIGIN} <> $2 and to_jsonb(batch) -> 'shape' is not null"
    );
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
        [&manifest.clinic.as_str(), &manifest.origin.as_str()];
    for row in client.query(&sql, &values).await.map_err(|error| error::postgres(&error))? {
        let Some(shape) = row.get::<_, Option<&str>>(0) else { continue };
        let shapes: BTreeMap<String, Shape> = serde_json::from_str(shape)?;
        for (table, shape) in shapes.into_iter().filter(|(_, shape)| shape.fills) {
            let columns = shape.sent.iter().filter(|column| !shape.key.contains(column)).cloned();
            filled.entry(TableName::from(table.as_str())).or_default().extend(columns);
        }
    }
    Ok(filled)
}

/// A query of the keys of a table's rows that only batches of other origins wrote; none where there is no such batch.
///
/// # Errors
/// As [`filled`].
pub async fn keys_of_others(
    client: &Client,
    clinic: &str,
    origin: Origin,
    table: &TableName,
) -> Result<Option<String>> {
    if !ledger::exists(client).await? {
        return Ok(None);
    }
    let name = table.to_string();
    // Only what wrote the table: where nobody else did, nothing is asked of any row.
    let sql = format!(
        "select (select array_agg(number) from trasvase.batch where clinic = $1 and status = 'completed' \
         and {ORIGIN} <> $2 and counts -> $3::text is not null), \
         (select array_agg(number) from trasvase.batch where clinic = $1 and status = 'completed' and {ORIGIN} = $2), \
         (select code from trasvase.name where name = $3)"
    );
    let row = client.query_one(&sql, &[&clinic, &origin.as_str(), &name]).await;
    let row = row.map_err(|error| error::postgres(&error))?;
    let (others, ours): (Option<Vec<i32>>, Option<Vec<i32>>) = (row.get(0), row.get(1));
    let Some((others, code)) = others.zip(row.get::<_, Option<i32>>(2)) else { return Ok(None) };
    let keys = |batches: &[i32]| {
        format!("select d.key from trasvase.row_digest d where {}", ledger::written_by(batches, code))
    };
    let less = ours.map_or_else(String::new, |ours| format!(" except {}", keys(&ours)));
    Ok(Some(format!("{}{less}", keys(&others))))
}

/// The numbers that a target gave the rows of a table with new keys, by what the ledger knows their records by.
///
/// # Errors
/// As [`filled`].
pub async fn numbers(
    client: &Client,
    (clinic, origin): (&str, Origin),
    table: &TableName,
    source_ids: &[&str],
) -> Result<HashMap<String, String>> {
    let mut numbers = HashMap::new();
    if !ledger::exists(client).await? {
        return Ok(numbers);
    }
    let sql = format!(
        "select distinct on (e.source_id) e.source_id, e.target_key from trasvase.external_id e \
         join trasvase.batch b on b.number = e.batch and b.clinic = $1 and b.status = 'completed' and {} \
         where e.target_table = {} and e.source_id = any($2) order by e.source_id, e.batch desc",
        is_sql("b", origin),
        ledger::code_sql(&table.to_string())
    );
    for chunk in source_ids.chunks(AT_ONCE) {
        let rows = client.query(&sql, &[&clinic, &chunk]).await;
        for row in rows.map_err(|error| error::postgres(&error))? {
            numbers.insert(row.get(0), row.get(1));
        }
    }
    Ok(numbers)
}
