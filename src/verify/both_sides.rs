//! `verify/*.sql`: one query, run by DuckDB over the snapshot and by PostgreSQL over the clinic's rows.

use std::collections::BTreeMap;

use anyhow::Result;
use duckdb::{Config, Connection};
use rust_i18n::t;
use serde::Serialize;

use super::Options;
use crate::config::{SqlFile, sql_files};
use crate::error::{self, Failure};
use crate::model::catalog::{Column, TypeKind};
use crate::model::ident::{literal, quoted};
use crate::model::manifest::TableEntry;
use crate::staging::numbers;

/// What one query gave on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct QueryReport {
    pub name: String,
    pub rows: usize,
    /// Rows that only one side has.
    pub differing: usize,
    pub equal: bool,
}

/// One query, and its rows from one side, each as JSON, in order.
pub(super) type Answer = (SqlFile, Vec<String>);

/// DuckDB's own limit of a JSON object in bytes. It takes buffers twice as large, so a limit that no row can reach would
/// take gigabytes.
const OBJECT: u64 = 16 << 20;

/// The questions are about the models' rows.
pub(super) fn files(options: &Options<'_>) -> Result<Vec<SqlFile>> {
    match options.snapshot.manifest().origin.is_models() {
        true => sql_files(options.project, options.clinic, "verify"),
        false => Ok(Vec::new()),
    }
}

/// What DuckDB answers to every query over the snapshot, where it is not known from an earlier reading.
pub(super) fn ask_snapshot(
    options: &Options<'_>,
    known: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<Answer>> {
    let mut connection = None;
    let answer = |file: SqlFile| {
        if let Some(rows) = known.get(file.query()) {
            return Ok((file, rows.clone()));
        }
        error::interrupt::check()?;
        let connection = match &mut connection {
            Some(connection) => connection,
            none => none.insert(snapshot_views(options)?),
        };
        let rows = in_duckdb(connection, file.query()).map_err(|error| bad_query(&file, &error))?;
        Ok((file, rows))
    };
    files(options)?.into_iter().map(answer).collect()
}

/// Words that may stand before a parenthesis in a query whose answer depends on nothing but the rows. DuckDB does not say
/// which of its functions ask for the time: `age` of one argument is CONSISTENT in `duckdb_functions()`.
const LASTING: &str = " abs all and any any_value as avg between bigint bit_length bool_and bool_or by case cast ceil \
    ceiling char coalesce concat count date_part date_trunc dec decimal distinct else except exists extract filter floor \
    from greatest having in intersect interval join least left length like lower lpad ltrim max md5 min mod not nullif \
    numeric on or over partition replace right round row_number rtrim select string_agg substr substring sum then trim \
    union upper using values varchar when where with within ";

/// Beginnings of words that ask for the time or the session without a parenthesis.
const PASSING: [&str; 6] = ["current", "local", "session", "user", "system", "now"];

/// Whether a query's answer depends on nothing but the rows: as far as its words say so.
pub(super) fn lasts(query: &str) -> bool {
    // What is said of it at the beginning is no part of it.
    let code = query.lines().skip_while(|line| line.trim().is_empty() || line.starts_with("--"));
    let query = code.collect::<Vec<_>>().join("\n").to_lowercase();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = query.as_str();
    while let Some(start) = rest.find(is_word) {
        let word = &rest[start..];
        let (word, after) = word.split_at(word.find(|c| !is_word(c)).unwrap_or(word.len()));
        // A comment may stand between a name and its parenthesis.
        let follows = after.trim_start_matches(|c: char| c.is_whitespace() || c == '"');
        let called = ["(", "--", "/*"].iter().any(|mark| follows.starts_with(mark));
        let known = LASTING.split_whitespace().any(|one| one == word);
        if called && !known || PASSING.iter().any(|passing| word.starts_with(passing)) {
            return false;
        }
        rest = after;
    }
    true
}

/// What PostgreSQL answers to the same queries over the clinic's rows.
pub(super) async fn ask_target(options: &Options<'_>, with_tables: &str) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    for file in files(options)? {
        error::interrupt::check()?;
        let rows = in_postgres(options, with_tables, file.query())
            .await
            .map_err(|error| bad_query(&file, &error))?;
        answers.push((file, rows));
    }
    Ok(answers)
}

/// Compares the answers of both sides.
pub(super) fn compare(ours: Vec<Answer>, theirs: &[Answer]) -> Vec<QueryReport> {
    let report = |((file, ours), (_, theirs)): (Answer, &Answer)| {
        let differing = only_in_one(&ours, theirs);
        QueryReport { name: file.name, rows: ours.len(), differing, equal: differing == 0 }
    };
    ours.into_iter().zip(theirs).map(report).collect()
}

fn bad_query(file: &SqlFile, error: &anyhow::Error) -> anyhow::Error {
    Failure::failed(t!("verify.bad_query", name = file.path, error = error))
        .hint(t!("verify.bad_query_hint"))
        .into()
}

/// How many rows only one of two lists has; a row counts as often as it stands there.
fn only_in_one(left: &[String], right: &[String]) -> usize {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    left.iter().for_each(|row| *counts.entry(row).or_default() += 1);
    right.iter().for_each(|row| *counts.entry(row).or_default() -= 1);
    counts.values().map(|count| usize::try_from(count.abs()).unwrap_or(usize::MAX)).sum()
}

/// A DuckDB with a typed view of every table of the snapshot.
fn snapshot_views(options: &Options<'_>) -> Result<Connection> {
    let connection = spilling(options)?;
    numbers::create(&connection)?;
    for (table, of_table) in options.snapshot.numbers() {
        numbers::add(&connection, table, of_table)?;
    }
    connection.execute_batch("set timezone = 'UTC'").map_err(error::duckdb)?;
    for entry in &options.snapshot.manifest().tables {
        let longest = options.snapshot.longest_line(entry)?;
        connection.execute_batch(&view_sql(options, entry, longest)).map_err(error::duckdb)?;
    }
    Ok(connection)
}

/// A DuckDB in memory that keeps the run's limit, and spills beside the snapshots.
fn spilling(options: &Options<'_>) -> Result<Connection> {
    let folder = options.project.staging_dir(&options.clinic.name).join("spill");
    let mut config =
        Config::default().with("temp_directory", folder.to_string_lossy()).map_err(error::duckdb)?;
    if let Some(memory) = &options.limits.memory {
        config = config.max_memory(memory).map_err(error::duckdb)?;
    }
    Connection::open_in_memory_with_flags(config).map_err(error::duckdb)
}

fn view_sql(options: &Options<'_>, entry: &TableEntry, longest: u64) -> String {
    let table = &options.catalog.tables[&entry.table];
    let written = || entry.columns.iter().filter_map(|column| table.column(&column.name));
    let read = written()
        .map(|column| format!("{}: 'VARCHAR'", literal(&column.name)))
        .collect::<Vec<_>>()
        .join(", ");
    let numbered = options.snapshot.numbered_columns(&entry.table);
    let columns = written()
        .map(|column| {
            let name = quoted(&column.name);
            let value = format!("line.{name}");
            let value = match numbered.get(column.name.as_str()) {
                Some(table) => numbers::with_number(&value, table),
                None => value,
            };
            format!("{value}::{} as {name}", duckdb_type(column))
        })
        .collect::<Vec<_>>()
        .join(", ");
    // What both sides are asked names a table as PostgreSQL does.
    let (schema, name) = match entry.table.schema() {
        "public" => (String::new(), quoted(entry.table.name())),
        schema => (format!("create schema if not exists {};", quoted(schema)), entry.table.quoted()),
    };
    format!(
        "{schema} create view {name} as select {columns} from read_json({}, format = 'newline_delimited', columns = {{{read}}}, maximum_object_size = {}) line",
        literal(&options.snapshot.folder().join(&entry.file).to_string_lossy()),
        OBJECT.max(longest + 1),
    )
}

/// The DuckDB type that a PostgreSQL column is read as; text where DuckDB has no equal.
fn duckdb_type(column: &Column) -> String {
    let data_type = column.data_type.undomained();
    if matches!(data_type.kind, TypeKind::Enum { .. }) {
        return "varchar".to_owned();
    }
    match data_type.base.as_str() {
        "int2" => "smallint".into(),
        "int4" => "integer".into(),
        "int8" => "bigint".into(),
        "bool" => "boolean".into(),
        "float4" => "float".into(),
        "float8" => "double".into(),
        "date" => "date".into(),
        "time" => "time".into(),
        "timestamp" => "timestamp".into(),
        "timestamptz" => "timestamptz".into(),
        "uuid" => "uuid".into(),
        "json" | "jsonb" => "json".into(),
        // `numeric(12,2)` is spelled the same in DuckDB, up to 38 digits
        "numeric" if data_type.modifier >= 0 && (data_type.modifier - 4) >> 16 <= 38 => {
            data_type.name.clone()
        }
        _ => "varchar".into(),
    }
}

fn in_duckdb(connection: &Connection, body: &str) -> Result<Vec<String>> {
    let mut statement = connection
        .prepare(&format!("select columns(*)::varchar from (\n{body}\n)"))
        .map_err(error::duckdb)?;
    let mut answer = statement.query([]).map_err(error::duckdb)?;
    let mut rows = Vec::new();
    while let Some(row) = answer.next().map_err(error::duckdb)? {
        let width = row.as_ref().column_count();
        let values = (0..width).map(|place| row.get(place)).collect::<duckdb::Result<Vec<Option<String>>>>();
        rows.push(serde_json::to_string(&values.map_err(error::duckdb)?)?);
    }
    rows.sort();
    Ok(rows)
}

async fn in_postgres(options: &Options<'_>, with_tables: &str, body: &str) -> Result<Vec<String>> {
    let client = options.client;
    let query = format!("{with_tables} select answer.* from (\n{body}\n) answer");
    let statement = client.prepare(&query).await.map_err(|error| error::postgres(&error))?;
    let columns = statement
        .columns()
        .iter()
        .map(|column| format!("{}::text", quoted(column.name())))
        .collect::<Vec<_>>()
        .join(", ");
    let rows = client
        .query(&format!("{with_tables} select {columns} from (\n{body}\n) answer"), &[])
        .await
        .map_err(|error| error::postgres(&error))?;
    let mut rows: Vec<String> = rows
        .iter()
        .map(|row| {
            let values: Vec<Option<String>> = (0..row.len()).map(|place| row.get(place)).collect();
            serde_json::to_string(&values).map_err(Into::into)
        })
        .collect::<Result<_>>()?;
    rows.sort();
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_lasts_where_no_word_may_ask_for_the_time() {
        for query in [
            "select status, count(*), sum(total) from invoice group by status",
            "select date_trunc('month', starts_at) as month, count (*) filter (where id in ('a')) from visit group by 1",
            "with told as (select 1) select * from told",
            "-- one row (as of now)\n\nselect count(*) from visit",
        ] {
            assert!(lasts(query), "{query}");
        }
        for query in [
            "select count(*) from visit where day < CURRENT_DATE",
            "select count(*) from visit where day < now()",
            "select max(age(birth_date)) from patient",
            "select localtimestamp",
            "select \"Today\" ()",
            "select random/* */()",
        ] {
            assert!(!lasts(query), "{query}");
        }
    }
}
