//! Binds every model over empty tables, so that a wrong column or type is told before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rust_i18n::t;

use super::graph::{Graph, Kind, Node};
use super::macros::{Macro, Macros};
use super::name::Name;
use super::problem::Problem;
use super::workbench::Workbench;
use crate::model::ident::quoted;
use crate::staging::Staging;

/// Column types by name, in lower case.
type Columns = BTreeMap<String, String>;

/// Binds all models in order. Entities without `source_id` lose the identities that nobody reads.
pub(super) fn bind(
    graph: &mut Graph,
    macros: &Macros,
    staging: &Staging,
    workbench: &Workbench,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    copy_raw_shapes(staging, workbench)?;
    let mut failed: BTreeSet<Name> = BTreeSet::new();
    let mut created: BTreeSet<String> = BTreeSet::new();
    for name in graph.order.clone() {
        let Some(node) = graph.nodes.get(&name) else { continue };
        if matches!(node.kind, Kind::Golden | Kind::Xref) && !has_source_id(workbench, &name.table)? {
            leave_out_identity(graph, &name, &mut failed, problems);
            continue;
        }
        if node.inputs.iter().any(|input| failed.contains(input)) {
            failed.insert(name);
            continue;
        }
        let before = problems.len();
        create_macros(macros.in_order(&node.macros), workbench, &mut created, problems);
        if problems.len() == before {
            problems.extend(bind_one(node, workbench).err());
        }
        if problems.len() > before {
            failed.insert(name);
        }
    }
    let usable = |found: &&Macro| found.uses.tables.iter().all(|table| !failed.contains(&table.name()));
    create_macros(
        macros.in_order(macros.names()).into_iter().filter(usable),
        workbench,
        &mut created,
        problems,
    );
    check_origins(graph, workbench, problems)
}

/// Creates macros that were not created yet.
fn create_macros<'a>(
    wanted: impl IntoIterator<Item = &'a Macro>,
    workbench: &Workbench,
    created: &mut BTreeSet<String>,
    problems: &mut Vec<Problem>,
) {
    for found in wanted {
        if created.insert(found.name.clone())
            && let Err(error) = workbench.try_sql(&found.statement)
        {
            problems.push(Problem::of_statement(&found.file, found.lines_above(), &error));
        }
    }
}

fn bind_one(node: &Node, workbench: &Workbench) -> Result<(), Problem> {
    let sql = match node.kind {
        Kind::Map { .. } => {
            format!("create table {} (source_value varchar, target_value varchar)", node.name.quoted())
        }
        _ => format!("create table {} as\n{}\nwith no data", node.name.quoted(), node.sql),
    };
    workbench.try_sql(&sql).map_err(|error| Problem::from_duckdb(&node.file.path, &node.file.text, 1, &error))
}

/// Makes empty `raw` tables like those of the staging file.
fn copy_raw_shapes(staging: &Staging, workbench: &Workbench) -> Result<()> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let columns = staging.rows(
        "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'raw' order by table_name, column_index",
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)),
    )?;
    for (table, column, data_type) in columns {
        tables.entry(table).or_default().push(format!("{} {data_type}", quoted(&column)));
    }
    for (table, columns) in tables {
        workbench.staging().execute(&format!(
            "create table raw.{} ({})",
            quoted(&table),
            columns.join(", ")
        ))?;
    }
    Ok(())
}

fn has_source_id(workbench: &Workbench, entity: &str) -> Result<bool> {
    Ok(columns(workbench)?
        .get(&Name::new("clean", entity))
        .is_none_or(|columns| columns.contains_key("source_id")))
}

/// A clean model without `source_id` has no golden records; a model that reads them is wrong.
fn leave_out_identity(
    graph: &mut Graph,
    name: &Name,
    failed: &mut BTreeSet<Name>,
    problems: &mut Vec<Problem>,
) {
    let readers: Vec<Name> =
        graph.readers(name).into_iter().filter(|reader| reader.schema != "xref").cloned().collect();
    let clean = graph.nodes.get(&Name::new("clean", &name.table));
    if let Some(clean) = clean.filter(|_| !readers.is_empty()) {
        let message = t!("transform.no_source_id", model = clean.name, reader = readers[0]);
        problems.push(Problem::at(&clean.file, None, message));
        failed.insert(name.clone());
        return;
    }
    graph.nodes.remove(name);
    graph.order.retain(|other| other != name);
    for node in graph.nodes.values_mut() {
        node.inputs.remove(name);
    }
}

/// Every model that feeds `target` carries `_id` or `_ids`.
fn check_origins(graph: &Graph, workbench: &Workbench, problems: &mut Vec<Problem>) -> Result<()> {
    let columns = columns(workbench)?;
    for node in graph.nodes.values().filter(|node| node.kind == Kind::Model && !node.without_origin()) {
        let Some(columns) = columns.get(&node.name).filter(|_| node.name.schema != "xref") else { continue };
        let message = match (columns.get("_id").map(String::as_str), columns.get("_ids").map(String::as_str))
        {
            (Some("BIGINT"), None) | (None, Some("BIGINT[]")) => continue,
            (None, None) => t!("transform.no_origin"),
            (Some(_), Some(_)) => t!("transform.two_origins"),
            (Some(found), None) => {
                t!("transform.origin_type", column = "_id", expected = "BIGINT", found = found)
            }
            (None, Some(found)) => {
                t!("transform.origin_type", column = "_ids", expected = "BIGINT[]", found = found)
            }
        };
        problems.push(Problem::at(&node.file, None, message));
    }
    Ok(())
}

/// Columns of every table that was bound.
fn columns(workbench: &Workbench) -> Result<BTreeMap<Name, Columns>> {
    let rows = workbench.staging().rows(
        "select schema_name, table_name, lower(column_name), data_type from duckdb_columns() where not internal",
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?)),
    )?;
    let mut columns: BTreeMap<Name, Columns> = BTreeMap::new();
    for (schema, table, column, data_type) in rows {
        columns.entry(Name::new(&schema, &table)).or_default().insert(column, data_type);
    }
    Ok(columns)
}
