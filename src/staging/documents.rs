//! Values inside documents, spelled as they are there: `doc_at` and `doc_elements`. DuckDB's own functions print what they
//! parsed, so that `1e3` becomes `1000.0` and a number of many digits loses some.

use anyhow::Result;
use duckdb::Connection;
use duckdb::core::{DataChunkHandle, FlatVector, Inserter as _, LogicalTypeHandle, LogicalTypeId};
use duckdb::ffi::duckdb_string_t;
use duckdb::types::DuckString;
use duckdb::vscalar::{ScalarFunctionSignature, VScalar};
use duckdb::vtab::arrow::WritableVector;

use super::functions::{Invoked, value};
use crate::error;
use crate::model::document::Node;

/// Registers both functions.
pub(super) fn register(connection: &Connection) -> Result<()> {
    connection.register_scalar_function::<At>("doc_at").map_err(error::duckdb)?;
    connection.register_scalar_function::<Elements>("doc_elements").map_err(error::duckdb)
}

/// `doc_at(document, field, ...)`: the JSON of a field, or of a field of that; NULL where there is none.
#[derive(Default)]
struct At;

/// `doc_elements(json)`: the JSON of each element of a list; of null none, and of what is no list that one value.
#[derive(Default)]
struct Elements;

impl VScalar for At {
    type State = ();

    fn invoke((): &(), input: &mut DataChunkHandle, output: &mut dyn WritableVector) -> Invoked {
        let columns: Vec<FlatVector<'_>> =
            (0..input.num_columns()).map(|index| input.flat_vector(index)).collect();
        let mut out = output.flat_vector();
        for row in 0..input.len() {
            let texts: Option<Vec<String>> = columns.iter().map(|column| text(column, row)).collect();
            let found = match texts.as_deref() {
                Some([document, fields @ ..]) => at(document, fields)?,
                _ => None,
            };
            match found {
                Some(json) => out.insert(row, json),
                None => out.set_null(row),
            }
        }
        Ok(())
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        let text = || LogicalTypeHandle::from(LogicalTypeId::Varchar);
        vec![ScalarFunctionSignature::variadic(text(), text())]
    }
}

impl VScalar for Elements {
    type State = ();

    fn invoke((): &(), input: &mut DataChunkHandle, output: &mut dyn WritableVector) -> Invoked {
        let column = input.flat_vector(0);
        let texts: Vec<Option<String>> = (0..input.len()).map(|row| text(&column, row)).collect();
        let lists = texts
            .iter()
            .map(|json| json.as_deref().map_or(Ok(Vec::new()), elements))
            .collect::<Result<Vec<_>, _>>()?;
        let count = lists.iter().map(Vec::len).sum();
        let mut out = output.list_vector();
        let child = out.child(count);
        let mut offset = 0;
        for (row, list) in lists.iter().enumerate() {
            out.set_entry(row, offset, list.len());
            for element in list {
                child.insert(offset, *element);
                offset += 1;
            }
        }
        out.set_len(count);
        Ok(())
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        let text = || LogicalTypeHandle::from(LogicalTypeId::Varchar);
        vec![ScalarFunctionSignature::exact(vec![text()], LogicalTypeHandle::list(&text()))]
    }
}

fn text(column: &FlatVector<'_>, row: usize) -> Option<String> {
    let is_there = !column.row_is_null(row as u64);
    is_there.then(|| DuckString::new(&mut value::<duckdb_string_t>(column, row)).as_str().into_owned())
}

/// What is said of a text that is no JSON; not the text.
const NO_JSON: &str = "doc_at and doc_elements take JSON";

fn at<'a>(document: &'a str, fields: &[String]) -> Result<Option<&'a str>, &'static str> {
    let mut json = document;
    for wanted in fields {
        let Node::Object(found) = Node::of(json).ok_or(NO_JSON)? else { return Ok(None) };
        match found.into_iter().find(|(name, _)| name == wanted) {
            Some((_, inner)) => json = inner,
            None => return Ok(None),
        }
    }
    Ok(Some(json))
}

fn elements(json: &str) -> Result<Vec<&str>, &'static str> {
    Ok(match Node::of(json).ok_or(NO_JSON)? {
        Node::Null => Vec::new(),
        Node::List(elements) => elements,
        _ => vec![json],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(sql: &str) -> Result<Option<String>, String> {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_is_spelled_as_in_its_document() {
        let document =
            r#"'{"a": {"b": [1e3, 0.12345678901234567890123, {"c" : 1.50}], "": -0}, "n": null, "*": 1E5}'"#;
        for (fields, json) in [
            ("", Some(document.trim_matches('\''))),
            (", 'a', 'b'", Some(r#"[1e3, 0.12345678901234567890123, {"c" : 1.50}]"#)),
            (", 'a', ''", Some("-0")),
            (", '*'", Some("1E5")),
            (", 'n'", Some("null")),
            (", 'n', 'x'", None),
            (", 'x'", None),
            (", null", None),
        ] {
            let sql = format!("select doc_at({document}{fields})");
            assert_eq!(asked(&sql).unwrap().as_deref(), json, "{sql}");
        }
        assert!(asked("select doc_at('{\"a\": zqx}', 'a')").unwrap_err().contains("take JSON"));
    }

    #[test]
    fn elements_are_spelled_as_in_their_list() {
        let all = "select string_agg(coalesce(list::varchar, 'NULL'), '|' order by n) from (select n, doc_elements(json) as list \
                   from (values (1, '[1e3,  {\"a\" : 1.0}]'), (2, 'null'), (3, null), (4, '5.0'), (5, '[]'), (6, '[[1], 2]')) t(n, json))";
        let lists = asked(all).unwrap().unwrap();
        assert!(
            lists.starts_with("[1e3, ") && lists.contains("1.0") && lists.ends_with("|[]|['[1]', 2]"),
            "{lists}"
        );
        let counts = "select string_agg(len(doc_elements(json))::varchar, ' ' order by n) \
                      from (select n, case when n % 2 = 0 then '[' || repeat('1,', n::int) || '1]' end as json from range(5000) t(n))";
        let expected: Vec<String> =
            (0..5000).map(|n| if n % 2 == 0 { (n + 1).to_string() } else { "0".to_owned() }).collect();
        let counted = asked(counts).unwrap().unwrap();
        assert_eq!(counted, expected.join(" "));
    }
}
