//! `orphans = "ghost"`: whole parent rows for keys that children name and no model gives.
//!
//! `ghosts/<parent>.sql` reads `clean` and gives a row of the parent's columns for any key that may be missing; only
//! those whose key a child names and `target.<parent>` does not have come into the batch.

use anyhow::Result;
use rust_i18n::t;

use super::Options;
use crate::config::{Orphans, SqlFile, sql_files};
use crate::error::Failure;
use crate::model::catalog::ConstraintKind;
use crate::model::ident::{TableName, literal, quoted};
use crate::staging::Staging;

/// Makes `temp."ghost <table>"` for every parent that needs one; returns how many ghosts each has.
pub(super) fn make(options: &Options<'_>, tables: &[TableName]) -> Result<Vec<(TableName, u64)>> {
    let files = sql_files(options.project, options.clinic, "ghosts")?;
    let mut made = Vec::new();
    for parent in tables {
        let (staging, name) = (options.staging, ghost_table(parent));
        staging.execute(&format!("drop table if exists temp.{name}"))?;
        let missing = missing_keys(options, tables, parent);
        let Some(column) = single_key(options, parent).filter(|_| !missing.is_empty()) else { continue };
        let Some(file) = files.iter().find(|file| TableName::from(file.name.as_str()) == *parent) else {
            return Err(Failure::usage(t!("check.no_ghost", table = parent))
                .hint(t!("check.no_ghost_hint", table = parent))
                .into());
        };
        fill(staging, parent, file, &column, &missing.join(" union ")).map_err(|error| {
            Failure::failed(t!("check.bad_check", path = file.path, error = error.to_string()))
        })?;
        fits(staging, parent, file)?;
        made.push((parent.clone(), staging.value(&format!("select count(*) from temp.{name}"))?));
    }
    Ok(made)
}

/// Refuses ghosts whose columns are not those of the model: what it has not would be lost, and under another name their records
/// would be nobody's.
fn fits(staging: &Staging, parent: &TableName, file: &SqlFile) -> Result<()> {
    let columns = |schema: &str, table: &str| {
        let (schema, table) = (literal(schema), literal(table));
        staging.rows(
            &format!("select column_name from duckdb_columns() where schema_name = {schema} and table_name = {table}"),
            |row| row.get::<_, String>(0),
        )
    };
    let model = columns("target", &parent.to_string())?;
    let ghost = columns("main", &format!("ghost {parent}"))?;
    let origin =
        |columns: &[String]| ["_ids", "_id"].into_iter().find(|name| columns.iter().any(|one| one == name));
    let (wanted, found) = (origin(&model), origin(&ghost));
    // Ghosts may be nobody's, as their header then says.
    if found.is_some() && wanted != found {
        let (wanted, found) = (wanted.unwrap_or("-"), found.unwrap_or("-"));
        let text = t!("check.ghost_origin", path = file.path, table = parent, wanted = wanted, found = found);
        return Err(Failure::failed(text)
            .hint(t!("check.ghost_origin_hint", path = file.path, wanted = wanted))
            .into());
    }
    match ghost.iter().find(|name| *name != "_n" && !model.contains(name)) {
        Some(column) => {
            let text = t!("check.ghost_column", path = file.path, table = parent, column = column);
            Err(Failure::failed(text).hint(t!("check.ghost_column_hint", known = model.join(", "))).into())
        }
        None => Ok(()),
    }
}

/// The rows of a table as its models and its ghosts give them, with `_n`: the `rowid` in `target`, below zero for a ghost.
pub(super) fn source(staging: &Staging, table: &TableName) -> Result<String> {
    let rows = format!("select *, rowid as _n from {}", table.staged("target"));
    let name = ghost_table(table);
    let ghosts: bool = staging.value(&format!(
        "select count(*) > 0 from duckdb_tables() where database_name = 'temp' and table_name = {}",
        literal(&format!("ghost {table}"))
    ))?;
    Ok(if ghosts { format!("{rows} union all by name select * from temp.{name}") } else { rows })
}

fn ghost_table(table: &TableName) -> String {
    quoted(&format!("ghost {table}"))
}

/// The primary key, where it is one column.
fn single_key(options: &Options<'_>, table: &TableName) -> Option<String> {
    match options.catalog.table(table)?.primary_key() {
        [column] => Some(column.clone()),
        _ => None,
    }
}

/// Queries of the keys that children with `orphans = "ghost"` name, of this parent.
fn missing_keys(options: &Options<'_>, tables: &[TableName], parent: &TableName) -> Vec<String> {
    let children = tables.iter().filter(|child| options.clinic.table(child).orphans == Orphans::Ghost);
    let keys = children.flat_map(|child| {
        let constraints = options.catalog.table(child).into_iter().flat_map(|table| table.foreign_keys());
        constraints.filter_map(move |constraint| match (&constraint.kind, constraint.columns.as_slice()) {
            (ConstraintKind::ForeignKey { references, .. }, [column]) if references == parent => {
                Some(format!("select {}::varchar as key from {}", quoted(column), child.staged("target")))
            }
            _ => None,
        })
    });
    keys.collect()
}

fn fill(staging: &Staging, parent: &TableName, file: &SqlFile, column: &str, missing: &str) -> Result<()> {
    let column = quoted(column);
    staging.execute(&format!(
        "create temp table {} as select *, -row_number() over (order by {column}) as _n from (\n{}\n) ghost \
         where {column}::varchar in (({missing}) except select {column}::varchar from {})",
        ghost_table(parent),
        file.query(),
        parent.staged("target"),
    ))
}
