//! Does a model's table fit the target's table? Decided by names and types, before any row is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use duckdb::Connection;
use rust_i18n::t;

use super::convert::{Conversion, conversion};
use crate::codec::Codec;
use crate::config::{SqlFile, near};
use crate::error::{Failure, Kind};
use crate::model::catalog::{self, Catalog, Identity};
use crate::model::ident::{TableName, literal, quoted};
use crate::model::keys::Keys;
use crate::staging::Staging;

/// A table of `target` beside its twin in the catalog.
pub(super) struct TableShape<'c> {
    pub(super) name: TableName,
    pub(super) table: &'c catalog::Table,
    /// The columns that are written, in the catalog's order.
    pub(super) columns: Vec<ColumnShape<'c>>,
    pub(super) provenance: Provenance,
    pub(super) keys: Keys,
    /// The columns that hold placeholders, and of which table.
    pub(super) placeholders: BTreeMap<String, TableName>,
}

pub(super) struct ColumnShape<'c> {
    pub(super) column: &'c catalog::Column,
    pub(super) conversion: Conversion,
    pub(super) codec: Arc<Codec>,
}

/// SQL for what the model carries besides the table's own columns.
pub(super) struct Provenance {
    /// BIGINT[], never null.
    pub(super) ids: String,
    /// VARCHAR, the natural key.
    pub(super) source_id: String,
    /// VARCHAR[]
    pub(super) repairs: String,
}

/// The tables that the models made, by name.
pub(super) fn target_tables(staging: &Staging) -> Result<Vec<TableName>> {
    staging.rows(
        "select table_name from duckdb_tables() where schema_name = 'target' and not ends_with(table_name, '__new') order by 1",
        |row| Ok(TableName::from(row.get::<_, String>(0)?)),
    )
}

/// Compares one table with the catalog; `advice` says what makes one that is missing.
///
/// # Errors
/// A table or column that the target does not have, a column that PostgreSQL fills itself, a mandatory column that the
/// model leaves out, types that cannot meet, new keys without a sequence; all of a table's faults in one message. A type that cannot be compared
/// is [`Kind::NotComparable`].
pub(super) fn shape<'c>(
    staging: &Staging,
    catalog: &'c Catalog,
    new_keys: &BTreeSet<TableName>,
    model: Option<&SqlFile>,
    name: &TableName,
    advice: impl FnOnce() -> Option<String>,
) -> Result<TableShape<'c>> {
    let path = model.map_or_else(|| format!("target.{name}"), |model| model.path.clone());
    let Some(table) = catalog.table(name) else {
        let known: Vec<String> = catalog.tables.keys().map(ToString::to_string).collect();
        let near = near(&name.to_string(), &known);
        let mut failure = Failure::findings(t!("check.no_table", path = path, table = name, near = near));
        failure.hints.extend(advice());
        return Err(failure.hint(t!("check.no_table_hint")).into());
    };
    let staged = staged_columns(staging.connection(), name)?;
    let mut faults = Vec::new();
    for (column, _) in staged.iter().filter(|(column, _)| !column.starts_with('_')) {
        if table.column(column).is_none() {
            let names = table.columns.iter().map(|column| &column.name);
            let line = model.map_or(1, |model| line_of(model, column));
            faults.push(
                t!("check.no_column", column = column, line = line, near = near(column, names)).into_owned(),
            );
        }
    }
    let mut columns = Vec::new();
    for column in &table.columns {
        match staged.iter().find(|(name, _)| *name == column.name) {
            None if column.not_null && column.default.is_none() && column.identity == Identity::None => {
                faults.push(t!("check.column_missing", column = column.name).into_owned());
            }
            None => {}
            Some(_) if column.generated => {
                faults.push(t!("check.column_generated", column = column.name).into_owned());
            }
            Some((_, duckdb_type)) => match conversion(&quoted(&column.name), duckdb_type, &column.data_type)
            {
                Conversion::Mismatch(key) => faults.push(t!(key, column = column.name).into_owned()),
                conversion => {
                    columns.push(ColumnShape { column, conversion, codec: Arc::new(codec(name, column)?) });
                }
            },
        }
    }
    let keys = if new_keys.contains(name) { Keys::New } else { Keys::Preserve };
    let given = |key: &str| columns.iter().any(|column: &ColumnShape<'_>| column.column.name == key);
    if keys == Keys::New && !table.sequence_key().is_some_and(|(key, _)| given(key)) {
        faults.push(t!("check.no_sequence").into_owned());
    }
    if !faults.is_empty() {
        let message = t!("check.shape", path = path, table = name, faults = faults.join("; "));
        return Err(Failure::findings(message).hint(t!("check.shape_hint", path = path)).into());
    }
    let is_new = |table: &TableName| new_keys.contains(table);
    let holder = |column: &ColumnShape<'_>| {
        let column = &column.column.name;
        Some((column.clone(), catalog.new_key_of(name, column, &is_new)?))
    };
    let placeholders = columns.iter().filter_map(holder).collect();
    let provenance = provenance(&staged);
    Ok(TableShape { name: name.clone(), table, columns, provenance, keys, placeholders })
}

/// The last line of a model's text that has a column's name as a word.
fn line_of(model: &SqlFile, column: &str) -> usize {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    let named = |line: &str| line.split(|c| !inside(c)).any(|word| word.eq_ignore_ascii_case(column));
    model.text.lines().zip(1..).filter(|(line, _)| named(line)).last().map_or(1, |(_, number)| number)
}

fn codec(table: &TableName, column: &catalog::Column) -> Result<Codec> {
    Codec::new(&column.data_type).map_err(|unsupported| {
        let message = t!(
            "check.unsupported",
            table = table,
            column = column.name,
            type_name = column.data_type.name,
            reason = unsupported
        );
        Failure::new(Kind::NotComparable, message).into()
    })
}

/// Name and DuckDB type of each column, in order.
fn staged_columns(connection: &Connection, name: &TableName) -> Result<Vec<(String, String)>> {
    let sql = format!(
        "select column_name, data_type from duckdb_columns() where schema_name = 'target' and table_name = {} order by column_index",
        literal(&name.to_string())
    );
    let mut statement = connection.prepare(&sql).map_err(crate::error::duckdb)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(crate::error::duckdb)?;
    rows.collect::<duckdb::Result<_>>().map_err(crate::error::duckdb)
}

fn provenance(staged: &[(String, String)]) -> Provenance {
    let has = |name: &str| staged.iter().any(|(column, _)| column == name);
    let ids = match (has("_ids"), has("_id")) {
        (true, _) => "coalesce(list_sort(_ids), [])",
        (false, true) => "case when _id is null then [] else [_id] end",
        (false, false) => "[]::bigint[]",
    };
    let source_id = if has("_source_id") { "_source_id::varchar" } else { "null::varchar" };
    let repairs = if has("_repairs") { "coalesce(_repairs, [])" } else { "[]::varchar[]" };
    Provenance { ids: ids.into(), source_id: source_id.into(), repairs: repairs.into() }
}
