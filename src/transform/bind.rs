//! Binds every model over empty tables, so that a wrong column or type is told before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rust_i18n::t;
use serde_json::Value;

use super::Options;
use super::graph::{Graph, Kind, Node};
use super::linked;
use super::macros::{Macro, Macros};
use super::name::Name;
use super::problem::Problem;
use super::token::{Token, tokens};
use super::tree;
use super::workbench::Workbench;
use crate::model::ident::quoted;
use crate::staging::Staging;

/// Column types by lower-case name.
type Columns = BTreeMap<String, String>;

/// Binds all models in order. Entities without `source_id` lose the identities that nobody reads.
pub(super) fn bind(
    graph: &mut Graph,
    macros: &Macros,
    options: &Options<'_>,
    workbench: &Workbench,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    copy_raw_shapes(options.staging, workbench)?;
    let mut failed: BTreeSet<Name> = BTreeSet::new();
    let mut without_key: BTreeSet<String> = BTreeSet::new();
    let mut shelf = Shelf { macros, tried: BTreeSet::new(), broken: BTreeSet::new() };
    // First those that need no table, so that a mistyped call is told their names.
    let of_text = |found: &&Macro| macros.tables(found).is_empty();
    shelf.create(macros.in_order(macros.names()).into_iter().filter(of_text), workbench, problems);
    for name in graph.order.clone() {
        let Some(node) = graph.nodes.get(&name) else { continue };
        if matches!(node.kind, Kind::Golden | Kind::Xref) && without_key.contains(&name.table) {
            leave_out_identity(graph, &name, &mut failed, problems);
            continue;
        }
        if node.inputs.iter().any(|input| failed.contains(input)) {
            failed.insert(name);
            continue;
        }
        shelf.create(macros.in_order(&node.macros), workbench, problems);
        let problem = if !shelf.holds(&node.macros) {
            None
        } else if let Err(problem) = bind_one(node, macros, options, workbench) {
            Some(problem)
        } else if let Some(Err(error)) =
            graph.fixes.get(&name).map(|fixes| fixes.apply(workbench.staging(), &name))
        {
            Some(Problem::at(&node.file, None, error.to_string()))
        } else if node.kind != Kind::Model {
            continue;
        } else {
            let columns = describe(workbench, &name)?;
            if name.schema == "clean" && !columns.contains_key("source_id") {
                without_key.insert(name.table.clone());
            }
            let Some(message) = origin_fault(node, &columns) else { continue };
            Some(Problem::at(&node.file, origin_place(node), message))
        };
        problems.extend(problem);
        failed.insert(name);
    }
    let usable = |found: &&Macro| macros.tables(found).is_disjoint(&failed);
    shelf.create(macros.in_order(macros.names()).into_iter().filter(usable), workbench, problems);
    Ok(())
}

/// The macros that were tried in the workbench.
struct Shelf<'m> {
    macros: &'m Macros,
    tried: BTreeSet<String>,
    broken: BTreeSet<String>,
}

impl Shelf<'_> {
    /// Creates those that were not tried yet; one that calls a broken one is broken too, and not told again.
    fn create<'a>(
        &mut self,
        wanted: impl IntoIterator<Item = &'a Macro>,
        workbench: &Workbench,
        problems: &mut Vec<Problem>,
    ) {
        for found in wanted {
            if !self.tried.insert(found.name.clone()) {
                continue;
            }
            if found.uses.calls.iter().any(|call| self.broken.contains(&call.name)) {
                self.broken.insert(found.name.clone());
            } else if let Err(error) = workbench.try_sql(&found.placed()) {
                problems.push(self.macros.problem_of_macro(found, &error));
                self.broken.insert(found.name.clone());
            }
        }
    }

    /// Whether none of these is broken.
    fn holds(&self, names: &BTreeSet<String>) -> bool {
        self.broken.is_disjoint(names)
    }
}

fn bind_one(
    node: &Node,
    macros: &Macros,
    options: &Options<'_>,
    workbench: &Workbench,
) -> Result<(), Problem> {
    let sql = match &node.kind {
        Kind::Linked(table) => {
            let (staging, entity) = (workbench.staging(), &node.name.table);
            let found = table.find(options.project, options.clinic, staging, entity);
            return found
                .and_then(|_| table.build(options.clinic, staging, entity))
                .map_err(|error| linked::problem(node, &error));
        }
        Kind::Map { .. } => {
            format!("create table {} (source_value varchar, target_value varchar)", node.name.quoted())
        }
        _ => macros.below(&format!("create table {} as\n{}\nwith no data", node.name.quoted(), node.sql)),
    };
    workbench.try_sql(&sql).map_err(|error| {
        let problem = macros.problem_of_model(node, &error);
        match unequal_halves(node, macros, workbench, &problem) {
            Some(offset) => Problem::of_duckdb_at(&node.file, offset, problem.message()),
            None => problem,
        }
    })
}

/// The UNION, INTERSECT or EXCEPT whose halves have unequal columns; DuckDB says that there is one, but not where.
fn unequal_halves(node: &Node, macros: &Macros, workbench: &Workbench, problem: &Problem) -> Option<usize> {
    if problem.has_place() || !problem.message().starts_with("Set operations ") {
        return None;
    }
    let tokens = tokens(&node.sql);
    let joins = |token: &Token<'_>| ["union", "intersect", "except"].iter().any(|word| token.is(word));
    let all: Vec<Token<'_>> = tokens.iter().copied().filter(joins).collect();
    if let [only] = all[..] {
        return Some(only.start);
    }
    let mut depth = 0_i32;
    let outermost = tokens.iter().filter(|token| {
        depth += i32::from(token.is("(")) - i32::from(token.is(")"));
        depth == 0 && joins(token)
    });
    let outermost: Vec<_> = outermost.collect();
    // The query up to each of them is one too: the first that fails has the wrong half.
    let fails = |index: &usize| {
        let end = outermost.get(index + 1).map_or(node.sql.len(), |next| next.start);
        let sql = format!("create or replace temp table half as\n{}\nwith no data", &node.sql[..end]);
        workbench.try_sql(&macros.below(&sql)).is_err()
    };
    let first = (0..outermost.len()).find(fails)?;
    // What fails there may be inside of it.
    let begins = if first == 0 { 0 } else { outermost[first - 1].start };
    let inside = all.iter().filter(|token| (begins..outermost[first].start).contains(&token.start));
    (inside.count() <= usize::from(first > 0)).then(|| outermost[first].start)
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
        if failed
            .is_disjoint(&BTreeSet::from([Name::new("golden", &name.table), Name::new("xref", &name.table)]))
        {
            let message = t!("transform.no_source_id", model = clean.name, reader = readers[0]);
            problems.push(Problem::at(&clean.file, select_place(clean), message));
        }
        failed.insert(name.clone());
        return;
    }
    graph.nodes.remove(name);
    graph.order.retain(|other| other != name);
    for node in graph.nodes.values_mut() {
        node.inputs.remove(name);
    }
}

/// What is wrong with the columns that say where a row comes from: one of `_id` and `_ids` is there, of its type.
fn origin_fault(node: &Node, columns: &Columns) -> Option<String> {
    if node.without_origin() || node.name.schema == "xref" {
        return None;
    }
    let message = match (columns.get("_id").map(String::as_str), columns.get("_ids").map(String::as_str)) {
        (Some("BIGINT"), None) | (None, Some("BIGINT[]")) => return None,
        (None, None) => t!("transform.no_origin"),
        (Some(_), Some(_)) => t!("transform.two_origins"),
        (Some(found), None) => {
            t!("transform.origin_type", column = "_id", expected = "BIGINT", found = found)
        }
        (None, Some(found)) => {
            t!("transform.origin_type", column = "_ids", expected = "BIGINT[]", found = found)
        }
    };
    Some(message.into_owned())
}

/// Where a model selects `_id` or `_ids`, or should.
fn origin_place(node: &Node) -> Option<usize> {
    let list = node.query.as_ref().map(|query| tree::select_list(&query.tree)).unwrap_or_default();
    let named = |item: &&Value| {
        let column = item["column_names"].as_array().and_then(|names| names.last()?.as_str());
        let alias = Some(tree::text(item, "alias")).filter(|alias| !alias.is_empty());
        alias.or(column).is_some_and(|name| matches!(name.to_lowercase().as_str(), "_id" | "_ids"))
    };
    list.iter().rfind(named).and_then(tree::offset).or_else(|| select_place(node))
}

/// The word at which the outermost SELECT begins, else the first of the query.
fn select_place(node: &Node) -> Option<usize> {
    let tokens = tokens(&node.file.text);
    let mut depth = 0_i32;
    let outermost = tokens.iter().filter(|token| {
        depth += i32::from(token.is("(")) - i32::from(token.is(")"));
        depth == 0 && token.is("select")
    });
    outermost.last().or(tokens.first()).map(|token| token.start)
}

/// Column types of a table that was bound, by lower-case name.
fn describe(workbench: &Workbench, name: &Name) -> Result<Columns> {
    let rows = workbench.staging().rows(
        &format!("select lower(column_name), column_type from (describe {})", name.quoted()),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(rows.into_iter().collect())
}
