//! What the check knows of rejected rows while it runs: by it, which rows of the target may be of a record that is rejected. Rows that
//! are rejected for their parents alone do not count: what they say is decided by whether these leave.

use std::collections::{BTreeSet, HashSet};

use anyhow::Result;

use super::Options;
use super::orphans::PARENTS;
use super::shape::TableShape;
use crate::codec::TableCodec;
use crate::error;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::keys::Keys;
use crate::snapshot::Refusals;
use crate::staging::{Staging, numbers};

/// SQL of whether a row of `ready` is rejected, but for its parents.
fn is_refused(table: &TableName) -> String {
    format!(
        "_n in (select n from fault where table_name = {} and rule not in {PARENTS})",
        literal(&table.to_string())
    )
}

/// SQL of the columns of a row's key as the target has them.
fn key_columns(shape: &TableShape<'_>) -> Vec<String> {
    let column = |name: &String| {
        let value = format!("ready.{}", quoted(name));
        match shape.placeholders.get(name) {
            Some(table) => numbers::with_number(&value, table),
            None => value,
        }
    };
    shape.table.primary_key().iter().map(column).collect()
}

/// The text of a key, of its columns' values.
fn key_text(shape: &TableShape<'_>, codec: &TableCodec, values: Vec<Option<String>>) -> Option<String> {
    let key = shape.table.primary_key();
    let mut row: Vec<Option<String>> = vec![None; shape.columns.len()];
    for (name, value) in key.iter().zip(values) {
        let place = shape.columns.iter().position(|column| column.column.name == *name)?;
        row[place] = Some(value?);
    }
    Some(codec.key_text(&row))
}

/// Which of these keys the batch has, each with whether its row is rejected.
pub(super) fn keys(
    staging: &Staging,
    shape: &TableShape<'_>,
    codec: &TableCodec,
    wanted: &HashSet<&str>,
) -> Result<Vec<(String, bool)>> {
    let columns = key_columns(shape);
    let which = match columns.as_slice() {
        [one] => {
            staging.execute("create or replace temp table wanted_key (key varchar)")?;
            let mut rows = staging
                .connection()
                .appender_to_catalog_and_db("wanted_key", "temp", "main")
                .map_err(error::duckdb)?;
            for key in wanted {
                rows.append_row([key]).map_err(error::duckdb)?;
            }
            rows.flush().map_err(error::duckdb)?;
            format!("{one} in (select key from temp.wanted_key)")
        }
        _ => "true".to_owned(),
    };
    let sql = format!(
        "select {}, {} from {} ready where {which}",
        columns.join(", "),
        is_refused(&shape.name),
        shape.name.staged("ready")
    );
    let mut statement = staging.connection().prepare(&sql).map_err(error::duckdb)?;
    let mut rows = statement.query([]).map_err(error::duckdb)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(error::duckdb)? {
        let values = (0..columns.len()).map(|place| row.get(place)).collect::<duckdb::Result<Vec<_>>>();
        let key = key_text(shape, codec, values.map_err(error::duckdb)?);
        if let Some(key) = key.filter(|key| wanted.contains(key.as_str())) {
            found.push((key, row.get(columns.len()).map_err(error::duckdb)?));
        }
    }
    Ok(found)
}

/// What is rejected of a table so far, as a snapshot will say it.
pub(super) fn refusals(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    codec: &TableCodec,
) -> Result<Refusals> {
    let staging = options.staging;
    let unread = "select source from meta.source_file group by source having sum(refused) > 0";
    let unread: BTreeSet<String> = staging.rows(unread, |row| row.get(0))?.into_iter().collect();
    let mut refusals = Refusals::new(records(options)?, unread);
    let columns = key_columns(shape);
    let sql = format!(
        "select (select source from meta.source where number = ready._ids[1] >> 50), _source_id::varchar, {} from {} ready where {}",
        columns.join(", "),
        shape.name.staged("ready"),
        is_refused(&shape.name)
    );
    let rows = staging.rows(&sql, |row| {
        let key = (2..2 + columns.len()).map(|place| row.get(place)).collect::<duckdb::Result<_>>()?;
        let key = key_text(shape, codec, key).filter(|_| shape.keys != Keys::New);
        Ok((key, row.get::<_, Option<String>>(1)?, row.get::<_, Option<String>>(0)?))
    })?;
    rows.into_iter().for_each(|(key, id, source)| refusals.add(key, id, source));
    Ok(refusals)
}

/// Source and id of records that are rejected: a row of their source's primary target is.
fn records(options: &Options<'_>) -> Result<HashSet<(String, String)>> {
    let (staging, mut records) = (options.staging, HashSet::new());
    for (source, settings) in &options.clinic.sources {
        let Some(primary) = &settings.primary else { continue };
        if !staging.has_table("ready", &primary.to_string())? {
            continue;
        }
        let Some(ids) = staging.record_ids(primary)? else { continue };
        let sql = format!(
            "select distinct source_id::varchar from (select {ids} as _id, source_id from {clean}) \
             where _id >> 50 = (select number from meta.source where source = {name}) \
             and _id in (select unnest(_ids) from {ready} where {refused}) and source_id is not null",
            clean = primary.staged("clean"),
            name = literal(source),
            ready = primary.staged("ready"),
            refused = is_refused(primary),
        );
        let found: Vec<String> = staging.rows(&sql, |row| row.get(0))?;
        records.extend(found.into_iter().map(|id| (source.clone(), id)));
    }
    Ok(records)
}
