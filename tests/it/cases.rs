//! The tables of cases of the SQL macros: `tests/cases/macros/<subject>.csv` holds what each expression gives.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use duckdb::Connection;

/// One line of a table of cases.
struct Case {
    /// `cells.csv:12`; no cell of a table holds a line break, so records are lines.
    place: String,
    expression: String,
    /// As text; `None` is an empty field without quotes.
    expected: Option<String>,
}

#[test]
fn every_macro_gives_what_its_cases_say() {
    let connection = with_macros();
    let cases = read_cases(&connection);
    // So that an expression is run as it would be over a column, not folded while it is planned.
    connection.execute_batch("pragma disable_optimizer").unwrap();
    let mut failures = String::new();
    for Case { place, expression, expected } in &cases {
        let given = evaluate(&connection, expression);
        if given.as_ref() != Ok(expected) {
            writeln!(failures, "{place}: {expression} gives {given:?}, not {expected:?}").unwrap();
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn every_public_macro_has_a_case_and_a_line_in_the_readme() {
    let connection = with_macros();
    let cases = read_cases(&connection);
    let readme = std::fs::read_to_string(root().join("sql/macros/README.md")).unwrap();
    let documented: BTreeSet<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('(').map(|(name, _)| name))
        .collect();
    assert!(documented.len() > 20, "the table of sql/macros/README.md was not found");
    for name in documented {
        assert!(macro_names(&connection).contains(name), "the README names {name}, which is no macro");
        let called = format!("{name}(");
        assert!(cases.iter().any(|case| case.expression.contains(&called)), "{name} has no case");
    }
}

#[test]
fn null_gives_null() {
    let connection = with_macros();
    let one = "trimmed plain_text is_destroyed_code parse_date is_sentinel_date parse_time parse_timestamp parse_decimal \
        parse_decimal_point name_case split_name split_surnames_first clean_email parse_sex parse_sex_hm nif_valid rut_valid \
        cedula_ec_valid cedula_co_valid curp_valid rfc_valid dni_ar_valid cuit_valid dni_pe_valid";
    for name in one.split_whitespace() {
        assert_eq!(evaluate(&connection, &format!("{name}(null)")), Ok(None), "{name}");
    }
}

/// One column that holds every input of every table and worse: no macro may fail on any text, nor depend on its neighbours.
#[test]
fn no_macro_fails_on_any_text() {
    let connection = with_macros();
    let cases = read_cases(&connection);
    connection.execute_batch("create table cell(t varchar)").unwrap();
    let mut insert = connection.prepare("insert into cell values (?)").unwrap();
    let inputs = cases.iter().filter_map(|case| case.expression.split('\'').nth(1)).map(str::to_owned);
    let nasty = [
        "☃",
        "e\u{301}",
        "😀 1",
        "'",
        "\\",
        "\u{1}",
        "++",
        "00",
        "@@",
        "٣/٤/٢٠٢٠",
        "99999999999999999999",
        "- -",
    ];
    for input in inputs.chain(nasty.map(str::to_owned)).chain([",1".repeat(200), "a".repeat(3000)]) {
        insert.execute([input]).unwrap();
    }
    let one = "trimmed parse_date is_sentinel_date parse_time parse_timestamp parse_decimal parse_decimal_point name_case \
        split_name split_surnames_first clean_email parse_sex parse_sex_hm";
    let two = ["phone_e164", "national_id"]
        .map(|name| ["ES", "CO", "CL", "MX", "AR", "PE", "EC"].map(|c| (name, c)));
    let calls = one.split_whitespace().map(|name| format!("{name}(t)"));
    let calls =
        calls.chain(two.into_iter().flatten().map(|(name, country)| format!("{name}(t, '{country}')")));
    for call in calls {
        let sql = format!("select count(*) from cell where ({call})::varchar is not null");
        let read: i64 = connection
            .query_row(&sql, [], |row| row.get(0))
            .unwrap_or_else(|error| panic!("{call}: {error}"));
        assert!(read > 0, "{call} reads nothing");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A database in memory with the macros of all files, which are run in the order of their names.
fn with_macros() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for path in files("sql/macros", "sql") {
        let text = std::fs::read_to_string(&path).unwrap();
        connection.execute_batch(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    connection
}

/// The files of a folder with an extension, by name; there must be some.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    assert!(!found.is_empty(), "no .{extension} in {folder}");
    found.sort();
    found
}

fn read_cases(connection: &Connection) -> Vec<Case> {
    files("tests/cases/macros", "csv").iter().flat_map(|path| read_table(connection, path)).collect()
}

/// The cases of one file; quoted empty text is `''`, an empty field NULL.
fn read_table(connection: &Connection, path: &Path) -> Vec<Case> {
    let name = path.file_name().unwrap().to_string_lossy();
    let sql = "select expression, expected from read_csv(?, all_varchar = true, header = true, delim = ',', quote = '\"',
        escape = '\"', allow_quoted_nulls = false, parallel = false)";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([path.to_string_lossy()], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let cases: Vec<Case> = rows
        .zip(2..)
        .map(|(row, line)| {
            let (expression, expected) = row.unwrap();
            Case { place: format!("{name}:{line}"), expression, expected }
        })
        .collect();
    assert!(!cases.is_empty(), "{name} has no cases");
    cases
}

fn evaluate(connection: &Connection, expression: &str) -> Result<Option<String>, String> {
    let sql = format!("select cast(({expression}) as varchar)");
    connection.query_row(&sql, [], |row| row.get(0)).map_err(|error| error.to_string())
}

fn macro_names(connection: &Connection) -> BTreeSet<String> {
    let sql = "select function_name from duckdb_functions() where function_type = 'macro' and not internal";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}
