//! Reading a snapshot's NDJSON, a row at a time, without copying what needs no unescaping.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde_json::Value;

use crate::error::Failure;
use crate::model::ident::TableName;
use crate::model::keys::{Numbers, placeholder};
use crate::model::manifest::TableEntry;

/// One row: canonical PostgreSQL text by column, in the manifest's order.
#[derive(Debug)]
pub struct Row<'a> {
    pub values: Vec<Option<Cow<'a, str>>>,
    /// The first raw record that it came from, as `source:file:row`.
    pub origin: Option<Cow<'a, str>>,
    /// The record's natural key in its source.
    pub source_id: Option<Cow<'a, str>>,
}

impl Row<'_> {
    /// What the ledger knows the row by: the kind of record (its first one's source; the table, where it comes from
    /// none), and its id there (its place in the source, where it has no other).
    pub fn external_id<'s>(&'s self, table: &'s str) -> Option<(&'s str, &'s str)> {
        let origin = self.origin.as_deref();
        let source = origin.and_then(|origin| origin.split(':').next());
        Some((source.unwrap_or(table), self.source_id.as_deref().or(origin)?))
    }

    /// What stands for the row in every run, whatever number it gets: the record that it is known by, else its key.
    pub fn steady_name(&self, table: &str, key: &str) -> String {
        self.external_id(table).map_or_else(|| key.to_owned(), |(kind, id)| format!("{kind}\u{1f}{id}"))
    }
}

/// Reads the file of one table.
pub struct RowReader {
    lines: BufReader<File>,
    path: PathBuf,
    columns: Vec<Column>,
    line: String,
    number: u64,
}

struct Column {
    name: String,
    /// Its name and a colon, as JSON.
    key: String,
    /// The numbers of the placeholders that it holds.
    numbers: Option<Arc<Numbers>>,
    /// Its values are gone past.
    left_out: bool,
}

impl RowReader {
    pub(super) fn open(
        path: &Path,
        entry: &TableEntry,
        numbered: Option<&BTreeMap<String, (TableName, Arc<Numbers>)>>,
        all: Option<&Vec<String>>,
    ) -> Result<Self> {
        let file = File::open(path).with_context(|| t!("snapshot.cannot_read", path = path.display()))?;
        let wanted = || entry.columns.iter().map(|column| &column.name);
        let column = |name: &String| Column {
            name: name.clone(),
            key: format!("{}:", Value::from(name.as_str())),
            numbers: numbered.and_then(|columns| Some(Arc::clone(&columns.get(name)?.1))),
            left_out: all.is_some() && !wanted().any(|one| one == name),
        };
        let columns = match all {
            Some(all) => all.iter().map(column).collect(),
            None => wanted().map(column).collect(),
        };
        Ok(Self {
            lines: BufReader::with_capacity(1 << 18, file),
            path: path.to_owned(),
            columns,
            line: String::new(),
            number: 0,
        })
    }

    /// Goes past the next row without reading what is in it.
    pub fn skip_row(&mut self) -> Result<()> {
        self.line.clear();
        self.number += 1;
        self.lines
            .read_line(&mut self.line)
            .with_context(|| t!("snapshot.cannot_read", path = self.path.display()))?;
        Ok(())
    }

    /// The next row, or `None` at the end.
    ///
    /// # Errors
    /// A line that is no such row, by file and line number.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        self.line.clear();
        self.number += 1;
        let read = self
            .lines
            .read_line(&mut self.line)
            .with_context(|| t!("snapshot.cannot_read", path = self.path.display()))?;
        if read == 0 {
            return Ok(None);
        }
        let mut row = Line { text: &self.line }.row(&self.columns).ok_or_else(|| {
            Failure::failed(t!("snapshot.bad_line", path = self.path.display(), line = self.number))
                .hint(t!("snapshot.damaged_hint"))
        })?;
        for (column, value) in self.columns.iter().zip(&mut row.values) {
            let Some(numbers) = &column.numbers else { continue };
            let Some(placeholder) = value.as_deref().and_then(placeholder) else { continue };
            let number = numbers.get(placeholder).ok_or_else(|| {
                let (path, column) = (self.path.display(), &column.name);
                Failure::failed(t!("snapshot.no_number", path = path, line = self.number, column = column))
                    .hint(t!("snapshot.no_placeholder_hint"))
            })?;
            *value = Some(Cow::Owned(number.to_string()));
        }
        if self.columns.iter().any(|column| column.left_out) {
            let mut columns = self.columns.iter();
            row.values.retain(|_| columns.next().is_some_and(|column| !column.left_out));
        }
        Ok(Some(row))
    }
}

/// What is left to read of a line as export writes it: an object without white space, its keys in the manifest's order.
/// Nothing but a position moves from one value to the next, since verify and push read every value of a clinic. A line
/// that is anything else is refused.
struct Line<'l> {
    text: &'l str,
}

impl<'l> Line<'l> {
    fn row(mut self, columns: &[Column]) -> Option<Row<'l>> {
        let mut values = Vec::with_capacity(columns.len());
        self.take("{")?;
        for column in columns {
            self.key(&column.key)?;
            values.push(self.scalar()?);
            self.take(",")?;
        }
        self.take("\"_origin\":[")?;
        let origin = self.first_of_list()?;
        self.take(",\"_source_id\":")?;
        let source_id = self.scalar()?;
        self.take("}")?;
        self.text.trim_end_matches(['\r', '\n']).is_empty().then_some(Row { values, origin, source_id })
    }

    fn take(&mut self, what: &str) -> Option<()> {
        self.text = self.text.strip_prefix(what)?;
        Some(())
    }

    /// A key and its colon; `key` is how serde_json writes them, which others may escape in another way.
    fn key(&mut self, key: &str) -> Option<()> {
        if self.take(key).is_some() {
            return Some(());
        }
        let (found, wanted) = (self.string()?, key.strip_suffix(':')?);
        let name = |json| serde_json::from_str::<String>(json).ok();
        (name(found)? == name(wanted)?).then(|| self.take(":")).flatten()
    }

    /// A JSON scalar as PostgreSQL's text; null is `None`.
    fn scalar(&mut self) -> Option<Option<Cow<'l, str>>> {
        if self.text.starts_with('"') {
            let raw = self.string()?;
            let inner = &raw[1..raw.len() - 1];
            return match memchr::memchr(b'\\', inner.as_bytes()) {
                None => Some(Some(Cow::Borrowed(inner))),
                Some(_) => serde_json::from_str(raw).ok().map(|text| Some(Cow::Owned(text))),
            };
        }
        let end = self.text.find([',', '}', ']'])?;
        let (raw, rest) = self.text.split_at(end);
        self.text = rest;
        match raw {
            "null" => Some(None),
            "true" => Some(Some(Cow::Borrowed("t"))),
            "false" => Some(Some(Cow::Borrowed("f"))),
            _ => {
                let numeric = |byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                (!raw.is_empty() && raw.bytes().all(numeric)).then_some(Some(Cow::Borrowed(raw)))
            }
        }
    }

    /// A JSON string with its quotes.
    fn string(&mut self) -> Option<&'l str> {
        let bytes = self.text.as_bytes();
        let mut at = 1;
        bytes.first().filter(|byte| **byte == b'"')?;
        loop {
            at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes[at] == b'"' {
                let (raw, rest) = self.text.split_at(at + 1);
                self.text = rest;
                return Some(raw);
            }
            at += 2;
        }
    }

    /// The first of a list of texts, whose bracket was read; goes past its end.
    fn first_of_list(&mut self) -> Option<Option<Cow<'l, str>>> {
        if self.take("]").is_some() {
            return Some(None);
        }
        let first = self.scalar()?;
        while self.take("]").is_none() {
            self.take(",")?;
            self.scalar()?;
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::model::ident::TableName;
    use crate::model::manifest::ColumnEntry;

    fn entry() -> TableEntry {
        let column =
            |name: &str, data_type: &str| ColumnEntry { name: name.into(), data_type: data_type.into() };
        TableEntry {
            table: TableName::from("t"),
            file: "t.ndjson".into(),
            sha256: String::new(),
            bytes: 0,
            rows: 0,
            rejected: 0,
            columns: vec![
                column("id", "text"),
                column("ok", "boolean"),
                column("n", "integer"),
                column("j", "jsonb"),
            ],
            key: vec!["id".into()],
            keys: crate::model::keys::Keys::Preserve,
            fills: false,
        }
    }

    fn reader(text: &str) -> (tempfile::TempDir, RowReader) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.ndjson");
        File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        let reader = RowReader::open(&path, &entry(), None, None).unwrap();
        (folder, reader)
    }

    #[test]
    fn a_row_gives_postgresql_text_for_every_form() {
        let (_folder, mut reader) = reader(
            "{\"id\":\"a\\\"b\\u00f1\",\"ok\":true,\"n\":-7,\"j\":\"\\\"s\\\"\",\"_origin\":[\"p:1:2\"],\"_source_id\":\"2\"}\n{\"id\":\"\",\"ok\":null,\"n\":null,\"j\":null,\"_origin\":[],\"_source_id\":null}\n",
        );
        let row = reader.next_row().unwrap().unwrap();
        let values: Vec<Option<&str>> = row.values.iter().map(Option::as_deref).collect();
        assert_eq!(values, [Some("a\"bñ"), Some("t"), Some("-7"), Some("\"s\"")]);
        assert_eq!((row.origin.as_deref(), row.source_id.as_deref()), (Some("p:1:2"), Some("2")));
        let row = reader.next_row().unwrap().unwrap();
        assert_eq!(row.values.iter().map(Option::as_deref).collect::<Vec<_>>(), [Some(""), None, None, None]);
        assert!(reader.next_row().unwrap().is_none());
    }

    #[test]
    fn a_key_may_be_escaped_in_another_way_and_a_row_may_come_from_several_records() {
        let line = "{\"\\u0069d\":\"\\\\\",\"ok\":false,\"n\":0,\"j\":\"{\\\"a\\\":[1,2]}\",\"_origin\":[\"p:1:2\",\"p,]:1:3\"],\"_source_id\":\"}\"}";
        let (_folder, mut reader) = reader(line);
        let row = reader.next_row().unwrap().unwrap();
        let values: Vec<Option<&str>> = row.values.iter().map(Option::as_deref).collect();
        assert_eq!(values, [Some("\\"), Some("f"), Some("0"), Some("{\"a\":[1,2]}")]);
        assert_eq!((row.origin.as_deref(), row.source_id.as_deref()), (Some("p:1:2"), Some("}")));
    }

    #[test]
    fn a_damaged_line_is_named_without_its_content() {
        let whole = "{\"id\":\"Ana\",\"ok\":true,\"n\":1,\"j\":null,\"_origin\":[],\"_source_id\":null}";
        assert!(reader(whole).1.next_row().is_ok());
        for end in 1..whole.len() {
            let error = reader(&whole[..end]).1.next_row().unwrap_err().to_string();
            assert!(error.contains("line 1") && !error.contains("Ana"), "{error}");
        }
        for (there, damaged) in [
            ("true", "truly"),
            ("1", "Ana"),
            ("1", ""),
            ("\"ok\"", "\"no\""),
            ("[]", "[\"a\" \"b\"]"),
            ("\"Ana\"", "\"A\\qna\""),
            ("null}", "null} Ana"),
            (",\"_source_id\":null", ""),
            ("\"j\":null,", ""),
        ] {
            let line = whole.replacen(there, damaged, 1);
            assert!(reader(&line).1.next_row().is_err(), "{line}");
        }
    }
}
