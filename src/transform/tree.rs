//! What a query refers to, read from DuckDB's parse tree (`json_serialize_sql`).

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::order;
use crate::model::hex;

/// Locations that DuckDB does not know are the largest 64-bit number.
const NOWHERE: u64 = u64::MAX;

/// Column references that DuckDB turns into a clock where no column has the name.
const CLOCK_WORDS: [&str; 5] =
    ["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"];

/// A table in a FROM clause that is no CTE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableUse {
    pub(super) catalog: String,
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) offset: Option<usize>,
    /// CTE names that it could have meant.
    pub(super) scope: Vec<String>,
}

impl TableUse {
    pub(super) fn name(&self) -> super::name::Name {
        super::name::Name::new(&self.schema, &self.table)
    }
}

/// A call of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// Lower case.
    pub(super) name: String,
    pub(super) arguments: usize,
    /// It stands in a FROM clause.
    pub(super) table: bool,
    pub(super) offset: Option<usize>,
}

/// Something that no model may do, whatever its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// The current date or time.
    Clock,
    /// `using sample`, `tablesample`.
    Sample,
    /// `describe`, `summarize`, `show`.
    Show,
    /// A pivot whose columns depend on the data.
    Pivot,
    /// `$1`, `?`.
    Parameter,
    /// `list(x)` with no order inside, by name.
    UnorderedAggregate(String),
    /// `row_number() over ()`, by name.
    UnorderedWindow(String),
    /// `array(select ...)`.
    UnorderedArray,
    /// `distinct on (...)`.
    UnorderedDistinct,
    /// `limit`, `offset`.
    UnorderedLimit,
    /// `positional join`.
    PositionalJoin,
}

/// Everything a query refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) tables: Vec<TableUse>,
    pub(super) calls: Vec<Call>,
    pub(super) forbidden: Vec<(Forbidden, Option<usize>)>,
}

/// Collects what a tree refers to.
pub(super) fn uses(tree: &Value) -> Uses {
    let mut uses = Uses::default();
    walk(tree, None, &mut Vec::new(), &mut uses);
    uses
}

/// SHA-256 over the tree without positions, in hex.
pub(super) fn fingerprint(tree: &Value) -> String {
    let mut tree = tree.clone();
    forget_positions(&mut tree);
    hex(Sha256::digest(tree.to_string()))
}

/// Expressions of the outermost select list, with their aliases; empty where the query is no plain SELECT.
pub(super) fn select_list(tree: &Value) -> &[Value] {
    tree.pointer("/statements/0/node/select_list").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn text<'a>(node: &'a Value, key: &str) -> &'a str {
    node.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn offset(node: &Value) -> Option<usize> {
    let location = node.get("query_location")?.as_u64().filter(|location| *location != NOWHERE)?;
    usize::try_from(location).ok()
}

fn forget_positions(node: &mut Value) {
    match node {
        Value::Object(fields) => {
            fields.shift_remove("query_location");
            fields.values_mut().for_each(forget_positions);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_positions),
        _ => {}
    }
}

/// Walks a node; `above` is the nearest known place around it, `scopes` holds the CTE names that are visible.
fn walk(node: &Value, above: Option<usize>, scopes: &mut Vec<String>, uses: &mut Uses) {
    let visible = scopes.len();
    let place = offset(node).or(above);
    match node {
        Value::Object(fields) => {
            if let Some(entries) = node.pointer("/cte_map/map").and_then(Value::as_array) {
                scopes.extend(entries.iter().map(|entry| text(entry, "key").to_lowercase()));
            }
            look(node, place, scopes, uses);
            for (key, value) in fields {
                // A table function was noted as such; only its arguments are left to see.
                let of_table = key == "function" && text(node, "type") == "TABLE_FUNCTION";
                walk(value.get("children").filter(|_| of_table).unwrap_or(value), place, scopes, uses);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, place, scopes, uses)),
        _ => {}
    }
    scopes.truncate(visible);
}

/// Notes what this one node refers to.
fn look(node: &Value, place: Option<usize>, scopes: &[String], uses: &mut Uses) {
    if node.get("sample").is_some_and(|sample| !sample.is_null()) {
        uses.forbidden.push((Forbidden::Sample, offset(node)));
    }
    uses.forbidden.extend(order::of_clauses(node));
    match (text(node, "type"), text(node, "class")) {
        ("BASE_TABLE", _) => look_at_table(node, scopes, uses),
        ("SHOW_REF", _) => uses.forbidden.push((Forbidden::Show, offset(node))),
        ("PIVOT", _) if open_pivot(node) => uses.forbidden.push((Forbidden::Pivot, offset(node))),
        ("TABLE_FUNCTION", _) => {
            if let Some(function) = node.get("function") {
                uses.calls.push(call(function, true));
            }
        }
        ("JOIN", _) if text(node, "ref_type") == "POSITIONAL" => {
            uses.forbidden.push((Forbidden::PositionalJoin, offset(node)));
        }
        (_, "FUNCTION" | "WINDOW") => {
            uses.calls.push(call(node, false));
            uses.forbidden.extend(order::of_call(node).map(|what| (what, place)));
        }
        (_, "PARAMETER") => uses.forbidden.push((Forbidden::Parameter, offset(node))),
        (_, "COLUMN_REF") if clock_word(node) => uses.forbidden.push((Forbidden::Clock, offset(node))),
        _ => {}
    }
}

fn look_at_table(node: &Value, scopes: &[String], uses: &mut Uses) {
    let (catalog, schema, table) =
        (text(node, "catalog_name"), text(node, "schema_name"), text(node, "table_name"));
    let is_cte = schema.is_empty() && scopes.contains(&table.to_lowercase());
    if !is_cte {
        uses.tables.push(TableUse {
            catalog: catalog.to_owned(),
            schema: schema.to_lowercase(),
            table: table.to_owned(),
            offset: offset(node),
            scope: if schema.is_empty() { scopes.to_vec() } else { Vec::new() },
        });
    }
}

fn call(function: &Value, table: bool) -> Call {
    Call {
        name: text(function, "function_name").to_lowercase(),
        arguments: function.get("children").and_then(Value::as_array).map_or(0, Vec::len),
        table,
        offset: offset(function),
    }
}

fn clock_word(node: &Value) -> bool {
    match node.get("column_names").and_then(Value::as_array).map(Vec::as_slice) {
        Some([only]) => only.as_str().is_some_and(|name| CLOCK_WORDS.contains(&name.to_lowercase().as_str())),
        _ => false,
    }
}

/// A pivot with a column whose values are not listed (an unpivot names its columns instead).
fn open_pivot(node: &Value) -> bool {
    let no_items = |value: Option<&Value>| value.and_then(Value::as_array).is_none_or(Vec::is_empty);
    let columns = node.get("pivots").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    columns.iter().any(|column| no_items(column.get("entries")) || !text(column, "pivot_enum").is_empty())
}
