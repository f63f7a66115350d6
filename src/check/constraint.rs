//! CHECK constraints and index predicates that DuckDB decides exactly as PostgreSQL does.
//!
//! PostgreSQL's own text of the expression is parsed by DuckDB; the tree may hold comparisons, AND/OR/NOT, IN, BETWEEN,
//! IS NULL, `length` and plain casts over columns of a few types, nothing else. Whatever else stands there PostgreSQL
//! decides (`probe`).

use anyhow::Result;
use serde_json::Value;

use super::convert::numeric_modifier;
use crate::model::catalog::{DataType, Table};
use crate::model::exclusion::matching;
use crate::model::ident::{literal, quoted};
use crate::staging::Staging;

/// The expression of a CHECK from `pg_get_constraintdef`: `CHECK ((a > 0))`, maybe followed by `NO INHERIT`, `NOT VALID`.
pub(super) fn check_expression(definition: &str) -> Option<&str> {
    let inner = definition.strip_prefix("CHECK ")?;
    let end = inner.rfind(')')?;
    Some(&inner[..=end])
}

/// An expression that DuckDB may decide, over columns of `ready` cast to their types.
pub(super) struct Decided {
    casts: String,
    expression: String,
}

impl Decided {
    /// A query of the `_n` of the rows for which the expression is true.
    pub(super) fn true_rows(&self, ready: &str) -> String {
        format!("select _n from (select _n, {} from {ready}) where ({})", self.casts, self.expression)
    }

    /// A query of the `_n` of the rows for which the expression is false (not null: a CHECK lets that pass).
    pub(super) fn false_rows(&self, ready: &str) -> String {
        format!("select _n from (select _n, {} from {ready}) where not ({})", self.casts, self.expression)
    }
}

/// DuckDB SQL for an expression over the columns of `ready` (canonical text, cast here), if DuckDB may decide it.
pub(super) fn decidable(staging: &Staging, table: &Table, expression: &str) -> Result<Option<Decided>> {
    let portable = portable(expression);
    let tree: String = match staging
        .value(&format!("select json_serialize_sql({})::varchar", literal(&format!("select {portable}"))))
    {
        Ok(tree) => tree,
        Err(_) => return Ok(None),
    };
    let tree: Value = serde_json::from_str(&tree)?;
    let Some(root) = tree.pointer("/statements/0/node/select_list/0") else { return Ok(None) };
    let mut columns = Vec::new();
    if !allowed(root, table, &mut columns) {
        return Ok(None);
    }
    columns.sort();
    columns.dedup();
    let casts: Option<Vec<String>> = columns
        .iter()
        .map(|name| {
            Some(format!(
                "{}::{} as {}",
                quoted(name),
                decided_type(&table.column(name)?.data_type)?,
                quoted(name)
            ))
        })
        .collect();
    Ok(casts.map(|casts| Decided { casts: casts.join(", "), expression: portable }))
}

/// Rewrites the few spellings of `pg_get_constraintdef` that DuckDB does not take as they are: names of types, and
/// `= ANY (ARRAY[...])`, which is what PostgreSQL makes of `IN (...)`.
fn portable(expression: &str) -> String {
    let expression = expression.replace("::character varying", "::varchar").replace("::bpchar", "::varchar");
    let lists = list_to_in(&expression, " = ANY (", " in (");
    list_to_in(&lists, " <> ALL (", " not in (")
}

/// `x = ANY (ARRAY[a, b])` and `x = ANY ((ARRAY[a, b])::text[])` as `x in (a, b)`; text in quotes stays.
fn list_to_in(expression: &str, operator: &str, replacement: &str) -> String {
    let mut out = String::new();
    let mut rest = expression;
    while let Some((before, list, after)) = next_list(rest, operator) {
        out.push_str(&rest[..before]);
        out.push_str(replacement);
        out.push_str(list);
        out.push(')');
        rest = &rest[after..];
    }
    out + rest
}

/// The first list behind the operator: where the operator stands, the list's elements, and where the text goes on.
fn next_list<'t>(text: &'t str, operator: &str) -> Option<(usize, &'t str, usize)> {
    let quoted = |position: usize| text[..position].matches('\'').count() % 2 == 1;
    let (start, _) = text.match_indices(operator).find(|(position, _)| !quoted(*position))?;
    let open = start + operator.len() - 1;
    let close = matching(text, open)?;
    let inner = &text[open + 1..close];
    let list = match inner.strip_prefix('(') {
        Some(cast) => cast.rsplit_once(")::").filter(|(_, name)| matches!(*name, "text[]" | "varchar[]"))?.0,
        None => inner,
    };
    Some((start, list.strip_prefix("ARRAY[")?.strip_suffix(']')?, close + 1))
}

/// The DuckDB type in which comparisons mean the same as in PostgreSQL.
fn decided_type(data_type: &DataType) -> Option<String> {
    let data_type = data_type.undomained();
    match data_type.base.as_str() {
        "text" | "varchar" => Some("varchar".into()),
        "int2" | "int4" | "int8" => Some("bigint".into()),
        "bool" => Some("boolean".into()),
        "date" => Some("date".into()),
        "timestamptz" => Some("timestamptz".into()),
        "timestamp" => Some("timestamp".into()),
        "numeric" if data_type.modifier >= 0 => {
            let (precision, scale) = numeric_modifier(data_type.modifier);
            (precision <= 38 && scale >= 0).then(|| format!("decimal({precision},{scale})"))
        }
        _ => None,
    }
}

fn allowed(node: &Value, table: &Table, columns: &mut Vec<String>) -> bool {
    let kind = node["type"].as_str().unwrap_or_default();
    let all = |keys: &[&str], columns: &mut Vec<String>| {
        keys.iter().all(|key| match &node[*key] {
            Value::Array(children) => children.iter().all(|child| allowed(child, table, columns)),
            Value::Null => true,
            child => allowed(child, table, columns),
        })
    };
    match kind {
        "COLUMN_REF" => match node["column_names"].as_array().map(Vec::as_slice) {
            Some([Value::String(name)]) => {
                columns.push(name.clone());
                table.column(name).is_some_and(|column| {
                    !column.nondeterministic && decided_type(&column.data_type).is_some()
                })
            }
            _ => false,
        },
        "VALUE_CONSTANT" => true,
        "COMPARE_EQUAL"
        | "COMPARE_NOTEQUAL"
        | "COMPARE_LESSTHAN"
        | "COMPARE_GREATERTHAN"
        | "COMPARE_LESSTHANOREQUALTO"
        | "COMPARE_GREATERTHANOREQUALTO" => {
            let ordered = !matches!(kind, "COMPARE_EQUAL" | "COMPARE_NOTEQUAL");
            all(&["left", "right"], columns)
                && !(ordered && (is_text(&node["left"], table) || is_text(&node["right"], table)))
        }
        "COMPARE_BETWEEN" => all(&["input", "lower", "upper"], columns) && !is_text(&node["input"], table),
        "CONJUNCTION_AND"
        | "CONJUNCTION_OR"
        | "OPERATOR_NOT"
        | "OPERATOR_IS_NULL"
        | "OPERATOR_IS_NOT_NULL"
        | "COMPARE_IN"
        | "COMPARE_NOT_IN" => all(&["children"], columns),
        "OPERATOR_CAST" => harmless_cast(node) && all(&["child"], columns),
        "FUNCTION" => node["function_name"] == "length" && all(&["children"], columns),
        _ => false,
    }
}

/// A column of text, also under a cast: PostgreSQL orders it by its collation, DuckDB by bytes.
fn is_text(node: &Value, table: &Table) -> bool {
    match node["type"].as_str() {
        Some("COLUMN_REF") => node["column_names"][0]
            .as_str()
            .and_then(|name| table.column(name))
            .is_some_and(|column| matches!(column.data_type.undomained().base.as_str(), "text" | "varchar")),
        Some("OPERATOR_CAST") => is_text(&node["child"], table),
        _ => false,
    }
}

/// Casts that change no value of the types in [`decided_type`]: constants to their column's type, varchar to text.
fn harmless_cast(node: &Value) -> bool {
    let target = node["cast_type"]["id"].as_str().unwrap_or_default();
    let constant = node["child"]["type"] == "VALUE_CONSTANT";
    match target {
        "VARCHAR" => true,
        "BIGINT" | "INTEGER" | "SMALLINT" | "DATE" | "BOOLEAN" => constant,
        "DECIMAL" => constant && node["child"]["value"]["type"]["id"] == "INTEGER",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expression_of_a_check_is_cut_out() {
        assert_eq!(check_expression("CHECK ((a > 0)) NOT VALID"), Some("((a > 0))"));
        assert_eq!(check_expression("UNIQUE (a)"), None);
    }

    #[test]
    fn lists_are_written_as_duckdb_reads_them() {
        assert_eq!(
            portable(
                "((sex = ANY (ARRAY['M'::text, ')'::text])) AND (a <> ALL ((ARRAY['x'::character varying])::text[])))"
            ),
            "((sex in ('M'::text, ')'::text)) AND (a not in ('x'::varchar)))"
        );
        for same in ["(a = ANY (b))", "(a = ' = ANY (ARRAY[1])')", "(a = ANY ((ARRAY[1])::other[]))"] {
            assert_eq!(portable(same), same);
        }
    }
}
