//! Value maps: `maps/<name>.csv` becomes `map.<name>`, and values that no map translates are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::graph::{Graph, Kind, Node};
use super::name::Name;
use super::tree::hex;
use crate::config::{Clinic, Header, Project, SqlFile, map_files, shown};
use crate::error::Failure;

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
        tree: hex(&hash.finalize()),
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
