//! An empty database in memory in which queries are parsed and bound before anything is written.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde_json::Value;

use super::tree::{self, Call, Forbidden, Uses};
use crate::config::Clinic;
use crate::error;
use crate::staging::Staging;

/// Table functions that give the same rows on every machine.
const TABLE_FUNCTIONS: [&str; 7] =
    ["unnest", "range", "generate_series", "repeat", "repeat_row", "json_each", "json_tree"];

/// Functions that DuckDB calls consistent although the session, the clock or the machine decides what they give.
const SESSION_FUNCTIONS: [&str; 7] = [
    "current_localtime",
    "current_localtimestamp",
    "current_setting",
    "getenv",
    "getvariable",
    "version",
    "get_block_size",
];

/// Words that statements begin with.
const STATEMENTS: [&str; 10] =
    ["select", "with", "from", "insert", "create", "update", "delete", "drop", "alter", "copy"];

/// A parsed query.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) fingerprint: String,
    pub(super) uses: Uses,
    pub(super) tree: Value,
}

/// A sentence and the byte it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) offset: Option<usize>,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(offset: Option<usize>, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }
}

/// What DuckDB says of a function name, all overloads together.
#[derive(Debug, Clone, Copy, Default)]
struct Function {
    unstable: bool,
    aggregate: bool,
}

/// The database in memory and the functions that it knows.
pub(super) struct Workbench {
    staging: Staging,
    functions: BTreeMap<String, Function>,
}

impl Workbench {
    pub(super) fn new(clinic: &Clinic) -> Result<Self> {
        let staging = Staging::in_memory(clinic)?;
        let mut functions: BTreeMap<String, Function> = BTreeMap::new();
        // Built-in macros have no stability of their own: those over a clock or the session begin with current_.
        let rows = staging.rows(
            "select lower(function_name), function_type = 'aggregate',
               coalesce(stability <> 'CONSISTENT', false) or coalesce(macro_definition ilike '%current\\_%' escape '\\', false)
             from duckdb_functions()",
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?, row.get::<_, bool>(2)?)),
        )?;
        for (name, aggregate, unstable) in rows {
            let function = functions.entry(name).or_default();
            function.aggregate |= aggregate;
            function.unstable |= unstable;
        }
        for name in SESSION_FUNCTIONS {
            functions.entry(name.to_owned()).or_default().unstable = true;
        }
        Ok(Self { staging, functions })
    }

    pub(super) fn staging(&self) -> &Staging {
        &self.staging
    }

    /// Runs SQL that holds no data; the error is DuckDB's whole text.
    pub(super) fn try_sql(&self, sql: &str) -> std::result::Result<(), String> {
        self.staging.connection().execute_batch(sql).map_err(|error| match error {
            duckdb::Error::DuckDBFailure(_, Some(message)) => message,
            other => other.to_string(),
        })
    }

    pub(super) fn is_aggregate(&self, name: &str) -> bool {
        self.functions.get(name).is_some_and(|function| function.aggregate)
    }

    /// Parses a text that must be one SELECT.
    pub(super) fn parse(&self, sql: &str) -> Result<std::result::Result<Query, Fault>> {
        let tree = self.serialized(sql)?;
        if let Some(second) = self.second_statement(&tree, sql)? {
            return Ok(Err(Fault::new(Some(second), t!("transform.many_statements"))));
        }
        if tree["error"] == Value::Bool(true) {
            return Ok(Err(parse_fault(&tree, sql)));
        }
        if tree["statements"].as_array().is_none_or(Vec::is_empty) {
            return Ok(Err(Fault::new(None, t!("transform.no_statement"))));
        }
        Ok(Ok(Query { fingerprint: tree::fingerprint(&tree), uses: tree::uses(&tree), tree }))
    }

    /// Where a second statement begins, if one does: behind a semicolon, or, where that was forgotten, at the word that
    /// DuckDB does not understand while what stands before it is whole. A fault within the first is told first.
    fn second_statement(&self, tree: &Value, sql: &str) -> Result<Option<usize>> {
        let tokens = super::token::tokens(sql);
        let second = super::token::statements(&tokens).get(1).map(|tokens| tokens[0].start);
        let Some(position) = syntax_error(tree) else { return Ok(second) };
        if let Some(second) = second.filter(|second| *second <= position) {
            return Ok(Some(second));
        }
        let begins = |word: &&str| tokens.iter().any(|token| token.start == position && token.is(word));
        let Some(first) = sql.get(..position).filter(|_| STATEMENTS.iter().any(begins)) else {
            return Ok(None);
        };
        Ok((self.serialized(first)?["error"] == Value::Bool(false)).then_some(position))
    }

    fn serialized(&self, sql: &str) -> Result<Value> {
        let json: String = self
            .staging
            .connection()
            .query_row("select json_serialize_sql(?::varchar)::varchar", [sql], |row| row.get(0))
            .map_err(error::duckdb)?;
        serde_json::from_str(&json).context("DuckDB's parse tree is no JSON")
    }

    /// What a query does that no model may; calls of our own macros are left to their own check.
    pub(super) fn faults(&self, uses: &Uses, is_macro: &dyn Fn(&str) -> bool) -> Vec<Fault> {
        let forbidden = uses.forbidden.iter().map(|(what, offset)| Fault::new(*offset, forbidden_text(what)));
        let calls = uses
            .calls
            .iter()
            .filter(|call| !is_macro(&call.name))
            .filter_map(|call| self.call_message(call).map(|message| Fault::new(call.offset, message)));
        let mut faults: Vec<Fault> = forbidden.chain(calls).collect();
        // DuckDB writes array(select ...) with two calls.
        faults.dedup();
        faults
    }

    fn call_message(&self, call: &Call) -> Option<String> {
        let name = call.name.as_str();
        if call.table {
            let allowed = TABLE_FUNCTIONS.contains(&name);
            return (!allowed).then(|| t!("transform.table_function", name = name).into_owned());
        }
        let unstable = self.functions.get(name).is_some_and(|function| function.unstable);
        // age(t) with one argument counts from today.
        if unstable || (name == "age" && call.arguments == 1) {
            return Some(t!("transform.unstable", name = name).into_owned());
        }
        None
    }
}

fn forbidden_text(what: &Forbidden) -> String {
    match what {
        Forbidden::Clock => t!("transform.clock"),
        Forbidden::Sample => t!("transform.sample"),
        Forbidden::Show => t!("transform.not_select"),
        Forbidden::Pivot => t!("transform.pivot"),
        Forbidden::Parameter => t!("transform.parameter"),
        Forbidden::UnorderedAggregate(name) if name.starts_with("json_group_") => {
            t!("transform.unordered_json", name = name)
        }
        Forbidden::UnorderedAggregate(name) => t!("transform.unordered_aggregate", name = name),
        Forbidden::UnorderedWindow(name) => t!("transform.unordered_window", name = name),
        Forbidden::UnorderedArray => t!("transform.unordered_array"),
        Forbidden::UnorderedDistinct => t!("transform.unordered_distinct"),
        Forbidden::UnorderedLimit => t!("transform.unordered_limit"),
        Forbidden::PositionalJoin => t!("transform.positional_join"),
    }
    .into_owned()
}

/// The byte that DuckDB's parser does not understand.
fn syntax_error(tree: &Value) -> Option<usize> {
    (tree::text(tree, "error_type") == "parser").then(|| position(tree)).flatten()
}

fn position(tree: &Value) -> Option<usize> {
    tree["position"].as_str().and_then(|position| position.parse().ok())
}

/// Reads what `json_serialize_sql` says of a text that it does not take.
fn parse_fault(tree: &Value, sql: &str) -> Fault {
    if tree::text(tree, "error_type") == "parser" {
        return Fault::new(
            position(tree),
            t!("error.duckdb_says", words = tree::text(tree, "error_message")),
        );
    }
    // Only SELECTs are serialised: anything else is another statement, or a PIVOT that DuckDB turns into several.
    let tokens = super::token::tokens(sql);
    if let Some(pivot) = tokens.iter().find(|token| token.is("pivot")) {
        return Fault::new(Some(pivot.start), t!("transform.pivot"));
    }
    Fault::new(tokens.first().map(|token| token.start), t!("transform.not_select"))
}
