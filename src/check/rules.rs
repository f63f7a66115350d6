//! Rules over whole rows and sets that DuckDB decides exactly: NOT NULL, keys compared byte by byte, simple CHECKs.

use anyhow::Result;

use super::ready;
use super::shape::TableShape;
use crate::model::catalog::{Column, ConstraintKind, Identity, Index, TypeKind};
use crate::model::ident::{TableName, literal, quoted};
use crate::staging::Staging;

/// NOT NULL columns that hold a null, unless the value was refused already.
pub(super) fn not_null(staging: &Staging, shape: &TableShape<'_>) -> Result<()> {
    let table = literal(&shape.name.to_string());
    for column in shape.columns.iter().filter(|column| mandatory(column.column)) {
        staging.execute(&format!(
            "insert into fault select {table}, _n, 'not_null', {name}, null, null from {ready} where {column} is null \
             and _n not in (select n from fault where table_name = {table} and column_name = {name})",
            name = literal(&column.column.name),
            column = quoted(&column.column.name),
            ready = shape.name.staged("ready"),
        ))?;
    }
    Ok(())
}

/// Rows that stand on a record with a value that a map of policy `reject` does not translate.
pub(super) fn unmapped(staging: &Staging, shape: &TableShape<'_>) -> Result<()> {
    let table = literal(&shape.name.to_string());
    staging.execute(&format!(
        "insert into fault select distinct {table}, _n, 'unmapped_value', null, record.map, null \
         from (select _n, unnest(_ids) as _id from {ready}) row \
         join meta.unmapped_row record using (_id) \
         join meta.map_use on map_use.map = record.map and map_use.model = record.model and map_use.target = {table}",
        ready = shape.name.staged("ready"),
    ))
}

fn mandatory(column: &Column) -> bool {
    let domain_mandatory = matches!(column.data_type.kind, TypeKind::Domain { not_null: true, .. });
    (column.not_null || domain_mandatory) && !column.generated && column.identity == Identity::None
}

/// Unique keys that DuckDB can decide: plain columns, bytewise equality, no predicate or one that DuckDB can evaluate.
/// Of rows with one key the first by (file, row) stays; the others name it.
pub(super) fn unique(staging: &Staging, shape: &TableShape<'_>, index: &Index, filter: &str) -> Result<()> {
    let Some(columns) = index.plain_columns() else { return Ok(()) };
    let keys = columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
    let present = columns
        .iter()
        .map(|column| format!("{} is not null", quoted(column)))
        .collect::<Vec<_>>()
        .join(" and ");
    let same = columns
        .iter()
        .map(|column| format!("standing.{0} is not distinct from twice.{0}", quoted(column)))
        .collect::<Vec<_>>()
        .join(" and ");
    let keys_of =
        columns.iter().map(|column| format!("standing.{}", quoted(column))).collect::<Vec<_>>().join(", ");
    let present = if index.nulls_not_distinct { "true".to_owned() } else { present };
    let table = literal(&shape.name.to_string());
    // Keys that are there twice are few: only their rows are put in order.
    staging.execute(&format!(
        "insert into fault with standing as (select {keys}, _n, _ids, rowid as _place from {ready} where {present} and ({filter}) \
           and _n not in (select n from fault where table_name = {table})) \
         select {table}, _n, 'duplicate_key', {column}, {constraint}, {kept} from ( \
           select _n, row_number() over (w order by _place) as place, \
             first_value(_ids[1]) over (w order by _place) as kept \
           from standing semi join (select {keys} from standing group by all having count(*) > 1) twice on {same} \
           window w as (partition by {keys_of})) where place > 1",
        kept = ready::kept_record("kept", ready::KEPT_ROW),
        column = literal(&columns.join(", ")),
        constraint = literal(&index.name),
        ready = shape.name.staged("ready"),
    ))
}

/// A foreign key with all its columns in the snapshot.
pub(super) struct ForeignKey {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) parent: TableName,
    pub(super) parent_columns: Vec<String>,
}

/// The foreign keys of a table whose columns the model gives.
pub(super) fn foreign_keys(shape: &TableShape<'_>) -> Vec<ForeignKey> {
    let given = |name: &String| shape.columns.iter().any(|column| column.column.name == *name);
    shape
        .table
        .foreign_keys()
        .filter(|constraint| constraint.columns.iter().all(given))
        .filter_map(|constraint| match &constraint.kind {
            ConstraintKind::ForeignKey { references, referenced_columns, .. } => Some(ForeignKey {
                name: constraint.name.clone(),
                columns: constraint.columns.clone(),
                parent: references.clone(),
                parent_columns: referenced_columns.clone(),
            }),
            _ => None,
        })
        .collect()
}
