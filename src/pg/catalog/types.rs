//! `pg_type` rows put together into the recursive types of the catalog.

use std::collections::BTreeMap;

use tokio_postgres::Row;

use crate::model::catalog::{DataType, TypeKind};

/// OIDs below this are the same on every server.
const FIRST_USER_OID: u32 = 16_384;

/// The types of a database, by OID.
pub(super) struct Types(BTreeMap<u32, Entry>);

struct Entry {
    name: String,
    schema: String,
    formatted: String,
    kind: String,
    binary: bool,
    not_null: bool,
    inner: u32,
    modifier: i32,
    base_name: Option<String>,
    delimiter: char,
    labels: Vec<String>,
    checks: Vec<String>,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    oid: u32,
    modifier: i32,
    type_name: String,
}

impl Types {
    pub(super) fn from_rows(rows: &[Row]) -> Self {
        Self(rows.iter().map(|row| (row.get(0), Entry::from_row(row))).collect())
    }

    /// The type of a column: its OID, its modifier and `format_type` of both.
    pub(super) fn build(&self, oid: u32, modifier: i32, formatted: &str) -> DataType {
        let entry = &self.0[&oid];
        let kind = self.kind(entry, modifier, formatted);
        DataType {
            name: unqualified(formatted),
            base: entry.name.clone(),
            schema: entry.schema.clone(),
            oid: if oid < FIRST_USER_OID { oid } else { 0 },
            modifier,
            binary: entry.binary && parts(&kind).iter().all(|part| part.binary),
            kind,
        }
    }

    fn kind(&self, entry: &Entry, modifier: i32, formatted: &str) -> TypeKind {
        let plain = |oid: u32| self.build(oid, -1, &self.0[&oid].formatted);
        match entry.kind.as_str() {
            "e" => TypeKind::Enum { labels: entry.labels.clone() },
            "d" => TypeKind::Domain {
                base: Box::new(self.build(
                    entry.inner,
                    entry.modifier,
                    entry.base_name.as_deref().unwrap_or_default(),
                )),
                not_null: entry.not_null,
                checks: entry.checks.clone(),
            },
            // An array's modifier is its elements': numeric(12,2)[].
            "a" => {
                let element = formatted.strip_suffix("[]").unwrap_or(&self.0[&entry.inner].formatted);
                TypeKind::Array {
                    element: Box::new(self.build(entry.inner, modifier, element)),
                    delimiter: self.0[&entry.inner].delimiter,
                }
            }
            "c" => TypeKind::Composite {
                fields: entry
                    .fields
                    .iter()
                    .map(|field| {
                        (field.name.clone(), self.build(field.oid, field.modifier, &field.type_name))
                    })
                    .collect(),
            },
            "r" => TypeKind::Range { subtype: Box::new(plain(entry.inner)) },
            "m" => TypeKind::Multirange { range: Box::new(plain(entry.inner)) },
            "b" => TypeKind::Base,
            _ => TypeKind::Pseudo,
        }
    }
}

impl Entry {
    fn from_row(row: &Row) -> Self {
        let names: Vec<String> = row.get::<_, Option<_>>(13).unwrap_or_default();
        let types: Vec<u32> = row.get::<_, Option<_>>(14).unwrap_or_default();
        let modifiers: Vec<i32> = row.get::<_, Option<_>>(15).unwrap_or_default();
        let type_names: Vec<String> = row.get::<_, Option<_>>(16).unwrap_or_default();
        let fields = names.into_iter().zip(types).zip(modifiers).zip(type_names);
        Self {
            name: row.get(1),
            schema: row.get(2),
            formatted: row.get(3),
            kind: row.get(4),
            binary: row.get(5),
            not_null: row.get(6),
            inner: row.get::<_, Option<u32>>(7).unwrap_or(0),
            modifier: row.get(8),
            base_name: row.get(9),
            delimiter: row.get::<_, String>(10).chars().next().unwrap_or(','),
            labels: row.get(11),
            checks: row.get(12),
            fields: fields
                .map(|(((name, oid), modifier), type_name)| Field { name, oid, modifier, type_name })
                .collect(),
        }
    }
}

/// The types a type is made of: it has a binary form only if they all have.
fn parts(kind: &TypeKind) -> Vec<&DataType> {
    match kind {
        TypeKind::Domain { base: part, .. }
        | TypeKind::Array { element: part, .. }
        | TypeKind::Range { subtype: part }
        | TypeKind::Multirange { range: part } => vec![part],
        TypeKind::Composite { fields } => fields.iter().map(|(_, part)| part).collect(),
        TypeKind::Base | TypeKind::Enum { .. } | TypeKind::Pseudo => Vec::new(),
    }
}

/// The name as people write it: types of the default schema go without it.
fn unqualified(formatted: &str) -> String {
    formatted.strip_prefix("public.").unwrap_or(formatted).to_owned()
}
