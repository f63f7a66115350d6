//! Reading a snapshot's NDJSON, a row at a time, without copying what needs no unescaping.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

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
}

/// Reads the file of one table.
pub struct RowReader {
    lines: BufReader<File>,
    path: PathBuf,
    columns: Vec<Column>,
    line: String,
    longest: usize,
    number: u64,
}

struct Column {
    name: String,
    /// The numbers of the placeholders that it holds.
    numbers: Option<Arc<Numbers>>,
}

impl RowReader {
    /// Bytes of the longest line read so far.
    pub fn longest(&self) -> usize {
        self.longest
    }

    pub(super) fn open(
        path: &Path,
        entry: &TableEntry,
        numbered: Option<&BTreeMap<String, (TableName, Arc<Numbers>)>>,
    ) -> Result<Self> {
        let file = File::open(path).with_context(|| t!("snapshot.cannot_read", path = path.display()))?;
        let columns = entry
            .columns
            .iter()
            .map(|column| Column {
                name: column.name.clone(),
                numbers: numbered.and_then(|columns| Some(Arc::clone(&columns.get(&column.name)?.1))),
            })
            .collect();
        Ok(Self {
            lines: BufReader::with_capacity(1 << 18, file),
            path: path.to_owned(),
            columns,
            line: String::new(),
            longest: 0,
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
        self.longest = self.longest.max(self.line.len());
        if read == 0 {
            return Ok(None);
        }
        let visitor = RowVisitor { columns: &self.columns };
        let mut row =
            serde_json::Deserializer::from_str(&self.line).deserialize_map(visitor).map_err(|_| {
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
        Ok(Some(row))
    }
}

struct RowVisitor<'c> {
    columns: &'c [Column],
}

impl<'de> Visitor<'de> for RowVisitor<'_> {
    type Value = Row<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a snapshot row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row<'de>, A::Error> {
        let mut values: Vec<Option<Cow<'de, str>>> = Vec::with_capacity(self.columns.len());
        let (mut origin, mut source_id) = (None, None);
        while let Some(key) = map.next_key_seed(Expected(self.columns.get(values.len())))? {
            let raw = map.next_value::<&'de RawValue>()?.get();
            match key {
                Key::Column => values.push(text(raw).map_err(A::Error::custom)?),
                Key::Origin => origin = first_text(raw).map_err(A::Error::custom)?,
                Key::SourceId => source_id = text(raw).map_err(A::Error::custom)?,
            }
        }
        if values.len() != self.columns.len() {
            return Err(A::Error::custom("missing column"));
        }
        Ok(Row { values, origin, source_id })
    }
}

/// What a key of a row says that its value is.
enum Key {
    Column,
    Origin,
    SourceId,
}

/// The column whose name comes next, or none after the last one. Looked at in place: a row has many keys.
struct Expected<'c>(Option<&'c Column>);

impl<'de> DeserializeSeed<'de> for Expected<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Key, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Expected<'_> {
    type Value = Key;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the next column's name")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key, E> {
        match (self.0, key) {
            (Some(column), key) if column.name == key => Ok(Key::Column),
            (None, "_origin") => Ok(Key::Origin),
            (None, "_source_id") => Ok(Key::SourceId),
            _ => Err(E::custom("unexpected column")),
        }
    }
}

/// A JSON scalar as PostgreSQL's text; null is `None`.
fn text(raw: &str) -> serde_json::Result<Option<Cow<'_, str>>> {
    Ok(match raw {
        "null" => None,
        "true" => Some(Cow::Borrowed("t")),
        "false" => Some(Cow::Borrowed("f")),
        _ => match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) if !inner.contains('\\') => Some(Cow::Borrowed(inner)),
            Some(_) => Some(Cow::Owned(serde_json::from_str(raw)?)),
            None => Some(Cow::Borrowed(raw)),
        },
    })
}

/// The first of a list of texts.
fn first_text(raw: &str) -> serde_json::Result<Option<Cow<'_, str>>> {
    let parts: Vec<&RawValue> = serde_json::from_str(raw)?;
    parts.first().map_or(Ok(None), |part| text(part.get()))
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
        }
    }

    fn reader(text: &str) -> (tempfile::TempDir, RowReader) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.ndjson");
        File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        let reader = RowReader::open(&path, &entry(), None).unwrap();
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
    fn a_damaged_line_is_named_without_its_content() {
        let (_folder, mut reader) = reader("{\"id\":\"Ana\",\"n\":1}\n");
        let error = reader.next_row().unwrap_err().to_string();
        assert!(error.contains("line 1") && !error.contains("Ana"), "{error}");
    }
}
