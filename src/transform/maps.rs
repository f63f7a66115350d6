//! Value maps: `maps/<name>.csv` becomes `map.<name>`, and values that no map translates are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::graph::{Graph, Kind, Node};
use super::macros::Macros;
use super::name::Name;
use super::problem::Problem;
use super::workbench::Workbench;
use crate::config::{Clinic, Header, MapPolicy, Project, SqlFile, map_files, near, shown};
use crate::error::Failure;
use crate::model::hex;
use crate::model::ident::{literal, quoted};
use crate::staging::Staging;

/// A map and the values that it does not translate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MapReport {
    pub map: String,
    /// Models whose header names the map.
    pub models: Vec<String>,
    pub policy: MapPolicy,
    /// Rows of the map that have a target_value.
    pub translated: u64,
    /// Distinct values without one, and the rows that hold them.
    pub unmapped_values: u64,
    pub unmapped_rows: u64,
}

/// A header line `-- map: <map> = <expression> from <table>`, or short `-- map: <map> = <schema>.<table>.<column>`.
#[derive(Debug, Clone)]
pub(super) struct MapUse {
    map: String,
    model: Name,
    /// SQL of the value that the model looks up.
    value: String,
    table: Name,
    policy: MapPolicy,
    /// Target tables that the model feeds.
    targets: Vec<String>,
}

/// One node a map: those with files, and empty ones for maps that clinic.toml or a model's header names.
pub(super) fn nodes(project: &Project, clinic: &Clinic, graph: &Graph) -> Result<Vec<Node>> {
    let files = map_files(project, clinic)?;
    let mut names: BTreeSet<String> = files.keys().cloned().collect();
    names.extend(clinic.maps.keys().map(|name| name.to_lowercase()));
    for node in graph.nodes.values() {
        names.extend(
            node.file
                .header
                .values("map")
                .filter_map(|entry| entry.split_once('='))
                .map(|(name, _)| name.trim().to_lowercase()),
        );
    }
    names
        .into_iter()
        .map(|name| {
            let mut rows = BTreeMap::new();
            let mut paths = Vec::new();
            for path in files.get(&name).into_iter().flatten() {
                rows.extend(read(path, &shown(project, path))?);
                paths.push(shown(project, path));
            }
            Ok(node(&name, rows.into_iter().collect(), &paths.join(", ")))
        })
        .collect()
}

/// Reads and binds the `-- map:` lines of all models.
pub(super) fn uses(
    graph: &Graph,
    clinic: &Clinic,
    macros: &Macros,
    workbench: &Workbench,
    problems: &mut Vec<Problem>,
) -> Result<Vec<MapUse>> {
    let mut uses = Vec::new();
    for node in graph.nodes.values() {
        for entry in node.file.header.values("map") {
            let found = read_use(graph, clinic, node, entry);
            let checked =
                found.and_then(|found| check_use(&found, macros, workbench)?.map_or(Ok(found), Err));
            match checked {
                Ok(found) => uses.push(found),
                Err(message) => {
                    let message = t!("transform.map_header", entry = entry, message = message);
                    problems.push(Problem::at(&node.file, node.file.text.find(entry), message));
                }
            }
        }
    }
    Ok(uses)
}

fn read_use(graph: &Graph, clinic: &Clinic, node: &Node, entry: &str) -> Result<MapUse, String> {
    let form = || t!("transform.map_form").into_owned();
    let (map, rest) = entry.split_once('=').ok_or_else(form)?;
    let (value, table) = match rest.trim().rsplit_once(" from ") {
        Some((value, table)) => (value.trim().to_owned(), table.trim()),
        None => {
            let (table, column) = rest.trim().rsplit_once('.').ok_or_else(form)?;
            (quoted(column.trim_matches('"')), table)
        }
    };
    let table = Name::parse(table).ok_or_else(form)?;
    let map = map.trim().to_lowercase();
    let mut targets: Vec<String> = graph
        .below(&node.name)
        .into_iter()
        .filter(|name| name.schema == "target")
        .map(|name| name.table)
        .collect();
    targets.sort();
    let policy = clinic.maps.get(&map).map_or_else(MapPolicy::default, |config| config.policy);
    Ok(MapUse { map, model: node.name.clone(), value, table, policy, targets })
}

/// Parses and binds the look-up over empty tables; `Some` message where it is wrong.
fn check_use(found: &MapUse, macros: &Macros, workbench: &Workbench) -> Result<Option<String>, String> {
    let sql = found.values_sql();
    let query = workbench.parse(&sql).map_err(|error| error.to_string())?;
    let query = match query {
        Ok(query) => query,
        Err(fault) => return Ok(Some(fault.message)),
    };
    if let Some(fault) = workbench.faults(&query.uses, &|name| macros.contains(name)).into_iter().next() {
        return Ok(Some(fault.message));
    }
    Ok(workbench
        .try_sql(&sql)
        .err()
        .map(|error| t!("error.duckdb_says", words = error.lines().next().unwrap_or_default()).into_owned()))
}

impl MapUse {
    /// Every value that the model looks up.
    fn values_sql(&self) -> String {
        format!("select ({})::varchar as source_value from {}", self.value, self.table.quoted())
    }

    /// Rows whose value the map does not translate.
    fn unmapped_sql(&self, columns: &str) -> String {
        format!(
            "select {columns} from (select *, ({})::varchar as __value from {}) r
             left join {} m on m.source_value = r.__value
             where r.__value is not null and m.target_value is null",
            self.value,
            self.table.quoted(),
            Name::new("map", &self.map).quoted()
        )
    }
}

/// `meta.map_use` as it would be.
pub(super) fn wanted(uses: &[MapUse]) -> BTreeSet<[String; 4]> {
    let rows = uses.iter().flat_map(|found| {
        let row = |target: &String| {
            [found.map.clone(), found.model.to_string(), target.clone(), found.policy.as_str().to_owned()]
        };
        found.targets.iter().map(row)
    });
    rows.collect()
}

/// `meta.map_use` as it is.
pub(super) fn recorded(staging: &Staging) -> Result<BTreeSet<[String; 4]>> {
    let rows = staging.rows("select map, model, target, policy from meta.map_use", |row| {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
    })?;
    Ok(rows.into_iter().collect())
}

/// Counts untranslated values anew, for `meta.unmapped`, `meta.unmapped_row`, `meta.map_use` and `meta.finding`.
/// Uses whose table was not built (a selection) are left out.
pub(super) fn count(staging: &Staging, uses: &[MapUse]) -> Result<()> {
    staging.transaction(|| {
        staging.execute(
            "delete from meta.unmapped; delete from meta.unmapped_row; delete from meta.map_use;
             delete from meta.finding where stage = 'transform' and rule = 'unmapped_value'",
        )?;
        uses.iter().try_for_each(|found| count_use(staging, found))
    })
}

fn count_use(staging: &Staging, found: &MapUse) -> Result<()> {
    let (map, model) = (literal(&found.map), literal(&found.model.to_string()));
    for target in &found.targets {
        let (target, policy) = (literal(target), literal(found.policy.as_str()));
        staging.execute(&format!("insert into meta.map_use values ({map}, {model}, {target}, {policy})"))?;
    }
    let table = &found.table;
    if !staging.has_table(&table.schema, &table.table)? || !staging.has_table("map", &found.map)? {
        return Ok(());
    }
    let values = found.unmapped_sql("r.__value, count(*)");
    staging
        .execute(&format!("insert into meta.unmapped select {map}, {model}, * from ({values} group by 1)"))?;
    let severity = if found.policy == MapPolicy::Reject { "warning" } else { "info" };
    let values: u64 = staging
        .value(&format!("select count(*) from meta.unmapped where map = {map} and model = {model}"))?;
    let detail = literal(&t!("transform.unmapped_detail", values = values, policy = found.policy.as_str()));
    staging.execute(&format!(
        "insert into meta.finding
         select 'transform', 'unmapped_value', '{severity}', {map}, {column}, sum(count), {detail}
         from meta.unmapped where map = {map} and model = {model} having count(*) > 0",
        column = literal(&format!("{table}: {}", found.value)),
    ))?;
    if found.policy != MapPolicy::Reject {
        return Ok(());
    }
    let columns = staging.rows(
        &format!(
            "select column_name from duckdb_columns() where schema_name = {} and table_name = {} and column_name in ('_id', '_ids')",
            literal(&table.schema),
            literal(&table.table)
        ),
        |row| row.get::<_, String>(0),
    )?;
    let id = match columns.first().map(String::as_str) {
        Some("_id") => "r._id",
        Some("_ids") => "unnest(r._ids)",
        _ => return Ok(()),
    };
    let rows = found.unmapped_sql(id);
    staging.execute(&format!("insert into meta.unmapped_row select distinct {map}, {model}, * from ({rows})"))
}

/// Fails where a table in the schema `map` is no map: someone else made it.
pub(super) fn shapes(staging: &Staging, clinic: &Clinic) -> Result<()> {
    let other: Option<String> = staging.value(
        "select min(table_name) from (
           select table_name from duckdb_columns() where schema_name = 'map' and not internal group by table_name
           having not list_contains(list(column_name), 'source_value') or not list_contains(list(column_name), 'target_value'))",
    )?;
    let Some(table) = other else { return Ok(()) };
    let name = Name::new("map", &table);
    let drop = format!("drop table {name}").replace('"', "\\\"");
    Err(Failure::failed(t!("transform.no_map_shape", table = name))
        .hint(format!("trasvase sql {} --write \"{drop}\"", clinic.name))
        .into())
}

/// Every map of the staging file, and what it leaves untranslated.
pub fn list(staging: &Staging, clinic: &Clinic) -> Result<Vec<MapReport>> {
    shapes(staging, clinic)?;
    let names: Vec<String> = staging.rows(
        "select table_name from duckdb_tables() where schema_name = 'map' order by table_name",
        |row| row.get(0),
    )?;
    names.into_iter().map(|map| report(staging, clinic, map)).collect()
}

fn report(staging: &Staging, clinic: &Clinic, map: String) -> Result<MapReport> {
    let name = literal(&map);
    let count = |sql: String| staging.value::<i64>(&sql).and_then(|count| Ok(u64::try_from(count)?));
    let models = staging.rows(
        &format!(
            "select model from meta.map_use where map = {name} union select model from meta.unmapped where map = {name} order by 1"
        ),
        |row| row.get(0),
    )?;
    let table = Name::new("map", &map).quoted();
    Ok(MapReport {
        models,
        policy: clinic.maps.get(&map).map_or_else(MapPolicy::default, |config| config.policy),
        translated: count(format!("select count(target_value) from {table}"))?,
        unmapped_values: count(format!(
            "select count(distinct source_value) from meta.unmapped where map = {name}"
        ))?,
        unmapped_rows: count(format!(
            "select coalesce(sum(count), 0)::bigint from meta.unmapped where map = {name}"
        ))?,
        map,
    })
}

/// Fails, naming what is near, where the staging file has no such map.
pub fn known(staging: &Staging, map: &str) -> Result<()> {
    if staging.has_table("map", map)? {
        return Ok(());
    }
    let names: Vec<String> =
        staging.rows("select table_name from duckdb_tables() where schema_name = 'map'", |row| row.get(0))?;
    let near = near(map, &names);
    Err(Failure::usage(t!("transform.no_map", map = map, near = near))
        .hint(t!("transform.no_map_hint"))
        .into())
}

fn node(name: &str, rows: Vec<(String, Option<String>)>, paths: &str) -> Node {
    let mut hash = Sha256::new();
    for (source, target) in &rows {
        for part in [Some(source), target.as_ref()] {
            let text = part.map_or("", String::as_str);
            hash.update(format!("{} {} {text}", part.is_some(), text.len()));
        }
    }
    Node {
        name: Name::new("map", name),
        kind: Kind::Map { rows },
        file: SqlFile {
            name: name.to_owned(),
            path: paths.to_owned(),
            text: String::new(),
            header: Header::default(),
        },
        sql: String::new(),
        tree: hex(hash.finalize()),
        query: None,
        macros: BTreeSet::new(),
        inputs: BTreeSet::new(),
    }
}

/// Reads a map: a header with `source_value` and `target_value` (other columns are for people), one row a value. An
/// empty target_value is a value that nobody has translated yet. `;` separates where the header has no comma.
fn read(path: &Path, shown: &str) -> Result<BTreeMap<String, Option<String>>> {
    let bytes = std::fs::read(path).with_context(|| t!("config.cannot_read", path = shown))?;
    let text =
        String::from_utf8(bytes).map_err(|_| Failure::failed(t!("transform.map_utf8", path = shown)))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let first_line = text.lines().next().unwrap_or_default();
    let delimiter = if first_line.contains(';') && !first_line.contains(',') { b';' } else { b',' };
    let mut records = records(text, delimiter)
        .map_err(|line| Failure::failed(t!("transform.map_quote", path = shown, line = line)))?
        .into_iter();
    let (_, header) = records.next().unwrap_or_default();
    let column = |name: &str| {
        let found = header.iter().position(|column| column.trim() == name);
        found.ok_or_else(|| Failure::failed(t!("transform.map_column", path = shown, column = name)))
    };
    let (source, target) = (column("source_value")?, column("target_value")?);
    let mut rows = BTreeMap::new();
    for (line, record) in records {
        if record.len() != header.len() {
            let (expected, found) = (header.len(), record.len());
            return Err(Failure::failed(t!(
                "transform.map_ragged",
                path = shown,
                line = line,
                expected = expected,
                found = found
            ))
            .into());
        }
        let value = Some(record[target].clone()).filter(|value| !value.is_empty());
        if rows.insert(record[source].clone(), value).is_some() {
            return Err(Failure::failed(t!("transform.map_twice", path = shown, line = line)).into());
        }
    }
    Ok(rows)
}

/// The records of a CSV text with the line on which each begins; empty lines are none.
///
/// # Errors
/// The line of a quote that is never closed.
fn records(text: &str, delimiter: u8) -> Result<Vec<(u64, Vec<String>)>, u64> {
    // With a final line break every record ends before the input does.
    let text = format!("{}\n", text.trim_end_matches(['\r', '\n']));
    let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    let mut input = text.as_bytes();
    let (mut output, mut ends) = (vec![0; text.len() + 1], vec![0; text.len() + 2]);
    let mut found = Vec::new();
    loop {
        let line = reader.line();
        let (result, read, _, fields) = reader.read_record(input, &mut output, &mut ends);
        input = &input[read..];
        match result {
            csv_core::ReadRecordResult::Record => {
                let starts = std::iter::once(0).chain(ends[..fields].iter().copied());
                let parts = starts.zip(&ends[..fields]).map(|(start, end)| &output[start..*end]);
                found.push((line, parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()));
            }
            csv_core::ReadRecordResult::End => return Ok(found),
            _ => return Err(line),
        }
    }
}
