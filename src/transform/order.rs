//! What gives another result when its rows come in another order, which DuckDB's threads decide anew on every run.
//!
//! An order that was written is believed: whether its key is total only a second build shows, with `arg_max(x, key)` no
//! more and no less than with `first(x order by key desc)`.

use serde_json::Value;

use super::tree::{Forbidden, offset, text};

/// Aggregates, and macros of DuckDB over such aggregates, that keep the order of their rows, choose one of them by it,
/// or approximate by it.
const AGGREGATES: [&str; 16] = [
    "any_value",
    "approx_quantile",
    "approx_top_k",
    "arbitrary",
    "array_agg",
    "first",
    "group_concat",
    "json_group_array",
    "json_group_object",
    "json_group_structure",
    "last",
    "list",
    "listagg",
    "mode",
    "reservoir_quantile",
    "string_agg",
];

/// Window functions that ask for a row's place. Without an order `rank()` and its like are the same for all rows.
const WINDOWS: [&str; 8] =
    ["fill", "first_value", "lag", "last_value", "lead", "nth_value", "ntile", "row_number"];

/// What a call lacks.
pub(super) fn of_call(node: &Value) -> Option<Forbidden> {
    let name = text(node, "function_name").to_lowercase();
    let orders = ["/order_bys/orders", "/arg_orders", "/orders"];
    if orders.iter().any(|orders| holds_any(node, orders)) {
        return None;
    }
    let window = text(node, "class") == "WINDOW";
    let aggregate = AGGREGATES.contains(&name.as_str());
    if window && (aggregate || WINDOWS.contains(&name.as_str()) || counts_rows(node)) {
        Some(Forbidden::UnorderedWindow(name))
    } else if !window && aggregate && offset(node).is_some() {
        Some(Forbidden::UnorderedAggregate(name))
    } else if !window && aggregate && of_array(node) {
        Some(Forbidden::UnorderedArray)
    } else {
        None
    }
}

/// DuckDB writes `array(select ...)` as `array_agg(#1)`, at no place of the text; `list(x order by x)`, which is
/// ordered, as `list_sort(list(x))`.
fn of_array(aggregate: &Value) -> bool {
    aggregate.pointer("/children/0").is_some_and(|child| text(child, "class") == "POSITIONAL_REFERENCE")
}

/// What the clauses of a query lack: with no order, LIMIT and DISTINCT ON keep any rows.
pub(super) fn of_clauses(query: &Value) -> Option<(Forbidden, Option<usize>)> {
    let modifiers = query.get("modifiers")?.as_array()?;
    let find = |kind: &str| modifiers.iter().find(|modifier| text(modifier, "type").starts_with(kind));
    if find("ORDER").is_some() {
        return None;
    }
    let chosen = find("DISTINCT").and_then(|modifier| modifier.pointer("/distinct_on_targets/0"));
    if let Some(target) = chosen {
        return Some((Forbidden::UnorderedDistinct, offset(target)));
    }
    let limit = find("LIMIT")?;
    let bound =
        ["limit", "offset"].iter().filter_map(|bound| limit.get(bound)).find(|bound| !bound.is_null())?;
    // limit 0 is how an empty table is written.
    (bound.pointer("/value/value") != Some(&Value::from(0)))
        .then(|| (Forbidden::UnorderedLimit, offset(bound)))
}

/// Whether a frame begins or ends a number of rows away.
fn counts_rows(window: &Value) -> bool {
    ["start", "end"].iter().any(|bound| text(window, bound).ends_with("_ROWS"))
}

fn holds_any(node: &Value, pointer: &str) -> bool {
    node.pointer(pointer).and_then(Value::as_array).is_some_and(|items| !items.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    /// What a query lacks, each with the text that its caret is under.
    fn lacks(sql: &str) -> Vec<(Forbidden, &str)> {
        let connection = duckdb::Connection::open_in_memory().unwrap();
        let json: String = connection
            .query_row("select json_serialize_sql(?::varchar)::varchar", [sql], |row| row.get(0))
            .unwrap();
        let tree: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(tree["error"], Value::Bool(false), "{sql}: {tree}");
        let word = |at: usize| sql[at..].split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
        let found = tree::uses(&tree).forbidden;
        found.into_iter().map(|(what, at)| (what, at.map(word).unwrap_or_default())).collect()
    }

    #[test]
    fn what_depends_on_order_is_found_where_no_order_is_written() {
        let aggregate = |name: &str| Forbidden::UnorderedAggregate(name.to_owned());
        let window = |name: &str| Forbidden::UnorderedWindow(name.to_owned());
        for (sql, expected, word) in [
            ("select First(a) from t", aggregate("first"), "First"),
            ("select 1 + len(list(a) filter (where a > 1)) from t order by 1", aggregate("list"), "list"),
            ("select (select string_agg(distinct a, ',') from t)", aggregate("string_agg"), "string_agg"),
            ("select mode(a) from t", aggregate("mode"), "mode"),
            ("select row_number() over (partition by a) from t", window("row_number"), "row_number"),
            ("select lag(a) over w from t window w as (partition by b)", window("lag"), "lag"),
            ("select list(a) over (partition by b) from t", window("list"), "list"),
            ("select sum(a) over (rows unbounded preceding) from t", window("sum"), "sum"),
            ("select distinct on (a) a, b from t", Forbidden::UnorderedDistinct, "a"),
            ("select a from (from t limit 3) order by a", Forbidden::UnorderedLimit, "3"),
            ("select a from t union all select b from t offset 2", Forbidden::UnorderedLimit, "2"),
            ("select * from t positional join u", Forbidden::PositionalJoin, "positional"),
        ] {
            assert_eq!(lacks(sql), [(expected, word)], "{sql}");
        }
        let array = lacks("select array(select a from t)");
        assert!(!array.is_empty() && array.iter().all(|(what, _)| *what == Forbidden::UnorderedArray));
    }

    #[test]
    fn an_order_or_no_need_of_one_is_let_through() {
        for sql in [
            "select first(a order by b), list(distinct a order by a), mode() within group (order by a) from t",
            "select array(select a from t order by b), max(a), sum(a), count(*), arg_max(a, b) from t",
            "select row_number() over (partition by a order by b), first_value(a order by b) over () from t",
            "select row_number() over w, list(a) over w from t window w as (order by b)",
            "select sum(a) over (partition by b), count(*) over (), rank() over () from t",
            "select sum(a) over (rows between unbounded preceding and unbounded following) from t",
            "select distinct on (a) a, b from t order by a, b",
            "select a from t order by a limit 3",
            "select a from t limit 0",
            "select distinct a, list_value(1), list_first([1]) from t",
        ] {
            assert_eq!(lacks(sql), [], "{sql}");
        }
    }
}
