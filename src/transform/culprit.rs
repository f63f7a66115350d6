//! Which expression of a model fails on a value. DuckDB says where a cast stands, but not where a function was called:
//! with `try` around the right call the model runs through, so that is how it is found.

use std::time::{Duration, Instant};

use anyhow::Result;
use rust_i18n::t;
use serde_json::{Value, json};

use super::graph::Node;
use super::problem::Problem;
use super::tree::{self, text};
use crate::error::{self, Failure, interrupt};
use crate::staging::Staging;

/// Each attempt runs the model; people wait for its failure no longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// DuckDB's kinds of errors that a value causes.
const OF_VALUES: [&str; 3] = ["Conversion Error", "Invalid Input Error", "Out of Range Error"];

/// A failure of a model while it ran: what DuckDB said, and the place as far as it is known.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) whole: String,
    pub(super) problem: Problem,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.problem.fmt(formatter)
    }
}

impl std::error::Error for Refused {}

/// The failure with its place, and with what helps where a value causes it.
pub(super) fn failure(staging: &Staging, node: &Node, refused: Refused) -> Failure {
    let Refused { whole, mut problem } = refused;
    if !OF_VALUES.iter().any(|kind| whole.starts_with(kind)) {
        return Failure::failed(problem.to_string());
    }
    if !problem.has_place()
        && let Some(offset) = Search::new(staging, node).and_then(|search| search.run())
    {
        problem = Problem::of_duckdb_at(&node.file, offset, problem.message());
    }
    Failure::failed(problem.to_string()).hint(t!("transform.try_hint"))
}

/// The calls and casts of a model, outer ones before those inside, each a candidate that `try` may be put around.
struct Search<'a> {
    staging: &'a Staging,
    tree: &'a Value,
    /// Whether DuckDB takes a `try` around it, and where it stands.
    candidates: Vec<(bool, Option<usize>)>,
    began: Instant,
}

impl<'a> Search<'a> {
    fn new(staging: &'a Staging, node: &'a Node) -> Option<Self> {
        let tree = &node.query.as_ref()?.tree;
        let mut candidates = Vec::new();
        soften(&mut tree.clone(), &mut |node| {
            candidates.push((true, tree::offset(node)));
            false
        });
        let mut search = Self { staging, tree, candidates, began: Instant::now() };
        for index in 0..search.candidates.len() {
            let bound = search
                .sql(|other| other == index)
                .and_then(|sql| search.staging.connection().prepare(&sql).map(drop).map_err(error::duckdb));
            search.candidates[index].0 = bound.is_ok();
        }
        Some(search)
    }

    /// The first candidate that the model cannot do without once all behind it are softened.
    fn run(&self) -> Option<usize> {
        if !self.passes(0)? {
            return None;
        }
        let (mut passing, mut failing) = (0, self.candidates.len());
        while failing - passing > 1 {
            let middle = passing.midpoint(failing);
            if self.passes(middle)? { passing = middle } else { failing = middle }
        }
        self.candidates.get(passing)?.1
    }

    /// Whether the model runs through with `try` around every candidate from here on; none where that takes too long.
    fn passes(&self, from: usize) -> Option<bool> {
        if self.began.elapsed() > PATIENCE || interrupt::requested() {
            return None;
        }
        let sql = self.sql(|index| index >= from).ok()?;
        let made = self.staging.execute(&format!("create or replace temp table model_on_trial as {sql}"));
        let _ = self.staging.execute("drop table if exists temp.model_on_trial");
        Some(made.is_ok())
    }

    fn sql(&self, wanted: impl Fn(usize) -> bool) -> Result<String> {
        let (mut tree, mut index) = (self.tree.clone(), 0);
        soften(&mut tree, &mut |_| {
            index += 1;
            self.candidates[index - 1].0 && wanted(index - 1)
        });
        let json = tree.to_string();
        self.staging
            .connection()
            .query_row("select json_deserialize_sql(?::json)", [json], |row| row.get(0))
            .map_err(error::duckdb)
    }
}

/// Puts `try` around the calls and casts that are wanted.
fn soften(node: &mut Value, wanted: &mut dyn FnMut(&Value) -> bool) {
    let class = text(node, "class").to_owned();
    let table_function = text(node, "type") == "TABLE_FUNCTION";
    let chosen = match class.as_str() {
        "CAST" if node["try_cast"] == false => wanted(node),
        "FUNCTION" => wanted(node),
        _ => false,
    };
    match node {
        Value::Object(fields) if table_function => {
            if let Some(arguments) = fields.get_mut("function").and_then(|call| call.get_mut("children")) {
                soften(arguments, wanted);
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(|value| soften(value, wanted)),
        Value::Array(items) => items.iter_mut().for_each(|item| soften(item, wanted)),
        _ => {}
    }
    // The two that have a form of their own keep it: DuckDB takes no TRY around what a query groups by.
    if chosen && class == "CAST" {
        node["try_cast"] = true.into();
    } else if chosen && text(node, "function_name").eq_ignore_ascii_case("strptime") {
        node["function_name"] = "try_strptime".into();
    } else if chosen {
        let (alias, place) = (node["alias"].take(), node["query_location"].clone());
        node["alias"] = "".into();
        let call = node.take();
        *node = json!({
            "class": "OPERATOR", "type": "OPERATOR_TRY", "alias": alias, "query_location": place, "children": [call],
        });
    }
}
