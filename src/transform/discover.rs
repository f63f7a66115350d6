//! Reads models, macros and maps from their files into a graph, and refuses what cannot be one.

use std::collections::BTreeSet;

use anyhow::Result;
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::fixes;
use super::graph::{Graph, Kind, Node};
use super::linked;
use super::macros::Macros;
use super::maps;
use super::name::Name;
use super::problem::Problem;
use super::token::tokens;
use super::tree::{self, TableUse};
use super::workbench::Workbench;
use crate::config::{Clinic, Header, Project, SqlFile, near, sql_files};
use crate::model::hex;
use crate::model::ident::{TableName, literal};
use crate::staging::Staging;

/// Folders of models: each is a schema of the staging file.
const MODEL_FOLDERS: [&str; 4] = ["clean", "golden", "xref", "target"];

/// Tables of `meta` that models may read.
const META_TABLES: [&str; 3] = ["clinic", "site", "variable"];

/// Schemas that models may read, for messages.
const READABLE: &str = "raw, map, clean, golden, xref, target, meta";

/// Reads everything; what is wrong goes to `problems`.
pub(super) fn graph(
    project: &Project,
    clinic: &Clinic,
    staging: &Staging,
    workbench: &Workbench,
    macros: &Macros,
    problems: &mut Vec<Problem>,
) -> Result<Graph> {
    let mut graph = Graph { leaves: leaves(staging, workbench)?, ..Graph::default() };
    for folder in MODEL_FOLDERS {
        for file in sql_files(project, clinic, folder)? {
            add_model(&mut graph, folder, file, workbench, macros, problems)?;
        }
    }
    fixes::read(project, clinic, &mut graph)?;
    for node in maps::nodes(project, clinic, &graph)? {
        graph.nodes.insert(node.name.clone(), node);
    }
    linked::add_nodes(&mut graph, project, clinic, staging, workbench, macros, problems)?;
    add_identities(&mut graph, clinic, workbench)?;
    connect(&mut graph, macros, problems);
    if problems.is_empty()
        && let Err(cycle) = graph.sort()
    {
        problems.push(cycle_problem(&graph, &cycle));
    }
    Ok(graph)
}

/// `raw.*` and the readable part of `meta`, with fingerprints of what they hold.
fn leaves(staging: &Staging, workbench: &Workbench) -> Result<std::collections::BTreeMap<Name, String>> {
    let mut leaves = std::collections::BTreeMap::new();
    let tables: Vec<String> = staging.rows(
        "select table_name from duckdb_tables() where schema_name = 'raw' and not internal order by table_name",
        |row| row.get(0),
    )?;
    for table in tables {
        let content = source_content(staging, &table)?;
        leaves.insert(Name::new("raw", &table), hex(Sha256::digest(content)));
    }
    for table in META_TABLES {
        let content: String = workbench.staging().value(&format!(
            "select coalesce(string_agg(t::varchar, chr(10) order by t::varchar), '') from meta.{table} t"
        ))?;
        leaves.insert(Name::new("meta", table), hex(Sha256::digest(content)));
    }
    Ok(leaves)
}

/// What decides the content of a source: its number, reading options, columns and files; for a table that load did not
/// make, a hash over its rows.
fn source_content(staging: &Staging, table: &str) -> Result<String> {
    let source = literal(table);
    let known: Option<String> = staging.value(&format!(
        "select (select s.number || ' ' || s.options_hash || ' ' || s.columns::varchar || coalesce(
             (select string_agg(chr(10) || f.file_number || ' ' || f.sha256 || ' ' || f.path || ' ' || f.dialect::varchar, '' order by f.file_number)
              from meta.source_file f where f.source = s.source), '')
           from meta.source s where s.source = {source})"
    ))?;
    match known {
        Some(known) => Ok(known),
        None => {
            let rows = Name::new("raw", table).quoted();
            staging.value(&format!("select count(*) || ' ' || coalesce(bit_xor(hash(t)), 0) from {rows} t"))
        }
    }
}

fn add_model(
    graph: &mut Graph,
    folder: &str,
    file: SqlFile,
    workbench: &Workbench,
    macros: &Macros,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let table =
        if folder == "target" { TableName::from(file.name.as_str()).to_string() } else { file.name.clone() };
    let name = Name::new(folder, &table);
    let sql = without_final_semicolon(&file.text);
    let query = match workbench.parse(&sql)? {
        Ok(query) => query,
        Err(fault) => {
            problems.push(Problem::at(&file, fault.offset, fault.message));
            // Others that read it, or its identities, are not to be told that it does not exist.
            for schema in [folder, "golden", "xref"].into_iter().take(if folder == "clean" { 3 } else { 1 }) {
                graph.leaves.insert(Name::new(schema, &name.table), String::new());
            }
            return Ok(());
        }
    };
    for fault in workbench.faults(&query.uses, &|name| macros.contains(name)) {
        problems.push(Problem::at(&file, fault.offset, fault.message));
    }
    if let Some(origin) = file.header.value("origin").filter(|origin| *origin != "none") {
        problems.push(Problem::at(&file, Some(0), t!("transform.bad_origin", origin = origin)));
    }
    for item in tree::select_list(&query.tree) {
        let is_call = tree::text(item, "class") == "FUNCTION";
        if tree::text(item, "alias") == "_id"
            && is_call
            && workbench.is_aggregate(tree::text(item, "function_name"))
        {
            problems.push(Problem::at(&file, tree::offset(item), t!("transform.aggregated_id")));
        }
    }
    if let Some(first) = graph.nodes.get(&name) {
        let message = t!("config.same_name", first = first.file.path, second = file.path, name = name);
        problems.push(Problem::at(&file, Some(0), message));
    }
    let node = Node {
        macros: macros.closure(&query.uses),
        tree: query.fingerprint.clone(),
        query: Some(query),
        kind: Kind::Model,
        inputs: BTreeSet::new(),
        name: name.clone(),
        sql,
        file,
    };
    graph.nodes.insert(name, node);
    Ok(())
}

/// `golden` and `xref` of every clean entity that no model makes.
fn add_identities(graph: &mut Graph, clinic: &Clinic, workbench: &Workbench) -> Result<()> {
    let entities: Vec<String> =
        graph.nodes.keys().filter(|name| name.schema == "clean").map(|name| name.table.clone()).collect();
    for entity in entities {
        let (golden, xref) = (Name::new("golden", &entity), Name::new("xref", &entity));
        let golden_sql = format!(
            "select {}({}, {}, source_id) as golden_id, * from {}",
            clinic.ids.function(),
            literal(&entity),
            literal(&clinic.product),
            Name::new("clean", &entity).quoted()
        );
        let xref_sql = format!("select source_id, golden_id from {}", golden.quoted());
        for (name, kind, sql) in [(golden, Kind::Golden, golden_sql), (xref, Kind::Xref, xref_sql)] {
            if graph.nodes.contains_key(&name) || graph.leaves.contains_key(&name) {
                continue;
            }
            let query =
                workbench.parse(&sql)?.map_err(|fault| anyhow::anyhow!("{name}: {}", fault.message))?;
            let file = SqlFile {
                name: entity.clone(),
                path: name.to_string(),
                text: sql.clone(),
                header: Header::default(),
            };
            let node = Node {
                kind,
                file,
                sql,
                tree: query.fingerprint.clone(),
                query: Some(query),
                macros: BTreeSet::new(),
                inputs: BTreeSet::new(),
                name: name.clone(),
            };
            graph.nodes.insert(name, node);
        }
    }
    Ok(())
}

/// Turns table references into edges.
fn connect(graph: &mut Graph, macros: &Macros, problems: &mut Vec<Problem>) {
    let known: Vec<String> = graph.nodes.keys().chain(graph.leaves.keys()).map(ToString::to_string).collect();
    let mut edges: Vec<(Name, BTreeSet<Name>)> = Vec::new();
    let mut reported = BTreeSet::new();
    for node in graph.nodes.values() {
        let mut inputs = BTreeSet::new();
        let own = node.query.iter().map(|query| (&node.file, &query.uses));
        let of_macros =
            node.macros.iter().filter_map(|name| macros.get(name)).map(|found| (&found.file, &found.uses));
        for (file, uses) in own.chain(of_macros) {
            for table in &uses.tables {
                match resolve(graph, table, &known) {
                    Ok(name) => drop(inputs.insert(name)),
                    Err(message) => {
                        if reported.insert((file.path.clone(), table.offset)) {
                            problems.push(Problem::at(file, table.offset, message));
                        }
                    }
                }
            }
        }
        edges.push((node.name.clone(), inputs));
    }
    for (name, inputs) in edges {
        if let Some(node) = graph.nodes.get_mut(&name) {
            node.inputs = inputs;
        }
    }
}

/// The node or leaf that a reference means.
fn resolve(graph: &Graph, table: &TableUse, known: &[String]) -> Result<Name, String> {
    if table.schema.is_empty() && table.table.contains(['.', '/', '\\', '*']) {
        return Err(t!("transform.file_as_table", name = table.table).into_owned());
    }
    if table.schema.is_empty() {
        let ending = format!(".{}", table.table.to_lowercase());
        let same: Vec<&str> =
            known.iter().filter(|name| name.ends_with(&ending)).map(String::as_str).collect();
        let near = match same.as_slice() {
            [] => near(&table.table, &table.scope),
            same => t!("config.near", names = same.join(", ")).into_owned(),
        };
        return Err(t!("transform.no_schema", name = table.table, near = near).into_owned());
    }
    let name = table.name();
    if table.catalog.is_empty() && (graph.nodes.contains_key(&name) || graph.leaves.contains_key(&name)) {
        return Ok(name);
    }
    let near = near(&name.to_string(), known);
    if !table.catalog.is_empty() {
        let name = format!("{}.{name}", table.catalog);
        return Err(t!("transform.not_readable", name = name, schemas = READABLE, near = near).into_owned());
    }
    if READABLE.split(", ").any(|schema| schema == name.schema) {
        return Err(t!("transform.no_table", name = name, near = near).into_owned());
    }
    Err(t!("transform.not_readable", name = name, schemas = READABLE, near = near).into_owned())
}

fn cycle_problem(graph: &Graph, cycle: &[Name]) -> Problem {
    let path = cycle.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → ");
    let message = t!("transform.cycle", path = path);
    // Told at the reference that leads from a file into the cycle.
    for pair in cycle.windows(2) {
        if let [reader, read] = pair
            && let Some(node) = graph.nodes.get(reader).filter(|node| node.kind == Kind::Model)
        {
            let reference = node.query.iter().flat_map(|query| &query.uses.tables);
            let offset = reference.filter(|table| table.name() == *read).find_map(|table| table.offset);
            return Problem::at(&node.file, offset, message);
        }
    }
    Problem::without_file(&cycle[0].to_string(), message)
}

/// The text with final semicolons blanked, so that every byte keeps its place.
fn without_final_semicolon(text: &str) -> String {
    let mut out = text.to_owned();
    for token in tokens(text).iter().rev().take_while(|token| token.is(";")) {
        out.replace_range(token.start..token.end(), " ");
    }
    out
}
