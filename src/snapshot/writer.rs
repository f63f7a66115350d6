//! Writes the snapshot of a stage that has rows of its own to push.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde_json::{Value, json};

use super::{Part, RejectedRow, Snapshot, settle};
use crate::model::catalog::Table;
use crate::model::ident::TableName;
use crate::model::keys::Keys;
use crate::model::manifest::{ColumnEntry, Manifest, RejectsEntry, TableEntry};
use crate::model::{file_name, private};

/// A snapshot of one table, a row after the other.
///
/// It goes through the same push as the models' rows, as a batch of its own origin: so before-images, digests, the guard of
/// tenants, rollback, log and verification are the ones that are there, and nothing beside them writes to a target.
pub struct Writer {
    partial: PathBuf,
    snapshots: PathBuf,
    file: BufWriter<File>,
    entry: TableEntry,
    /// Of each column whether its values stand as JSON's own.
    plain: Vec<bool>,
    line: Vec<u8>,
    refused: Vec<RejectedRow>,
}

impl Writer {
    /// Begins a snapshot in this folder, of a table as the catalog has it, with these of its columns in their order there.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn begin(
        snapshots: &Path,
        name: &TableName,
        table: &Table,
        columns: &[&str],
        (keys, fills): (Keys, bool),
    ) -> Result<Self> {
        let cannot = || t!("snapshot.cannot_write", path = snapshots.display());
        let partial = snapshots.join(format!(".{}.partial", file_name(&name.to_string())));
        private::folder(snapshots).with_context(cannot)?;
        if partial.exists() {
            fs::remove_dir_all(&partial).with_context(cannot)?;
        }
        private::folder(&partial)
            .and_then(|()| private::folder(&partial.join("data")))
            .with_context(cannot)?;
        let file = format!("data/{}.ndjson", file_name(&name.to_string()));
        let path = partial.join(&file);
        let out =
            private::create(&path).with_context(|| t!("snapshot.cannot_write", path = path.display()))?;
        let columns: Vec<_> =
            table.columns.iter().filter(|column| columns.contains(&column.name.as_str())).collect();
        let plain = |base: &str| matches!(base, "bool" | "int2" | "int4");
        Ok(Self {
            plain: columns.iter().map(|column| plain(&column.data_type.undomained().base)).collect(),
            entry: TableEntry {
                table: name.clone(),
                file,
                sha256: String::new(),
                bytes: 0,
                rows: 0,
                rejected: 0,
                columns: columns
                    .iter()
                    .map(|column| ColumnEntry {
                        name: column.name.clone(),
                        data_type: column.data_type.name.clone(),
                    })
                    .collect(),
                key: table.primary_key().to_vec(),
                keys,
                fills,
            },
            partial,
            snapshots: snapshots.to_owned(),
            file: BufWriter::new(out),
            line: Vec::new(),
            refused: Vec::new(),
        })
    }

    /// The columns of a row, in their order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.entry.columns.iter().map(|column| column.name.as_str())
    }

    /// Adds a row: PostgreSQL's text of each column in their order, and what the ledger is to know the row by.
    ///
    /// # Errors
    /// The disk is full.
    pub fn row(&mut self, values: &[Option<&str>], source_id: &str) -> Result<()> {
        self.line.clear();
        self.line.push(b'{');
        for ((column, plain), value) in self.entry.columns.iter().zip(&self.plain).zip(values) {
            serde_json::to_writer(&mut self.line, &column.name)?;
            self.line.push(b':');
            match value {
                Some(value) if *plain => serde_json::to_writer(&mut self.line, &as_json(value))?,
                value => serde_json::to_writer(&mut self.line, value)?,
            }
            self.line.push(b',');
        }
        self.line.extend_from_slice(b"\"_origin\":[],\"_source_id\":");
        serde_json::to_writer(&mut self.line, source_id)?;
        self.line.extend_from_slice(b"}\n");
        self.entry.rows += 1;
        Ok(self.file.write_all(&self.line)?)
    }

    /// Notes a row that is not written and yet not gone, by what the ledger knows it by; without that, it may be any.
    pub fn refuse(&mut self, source_id: Option<String>) {
        self.refused.push(RejectedRow { key: Vec::new(), source: None, source_id });
    }

    /// Ends the snapshot: `manifest` says all but its table.
    ///
    /// # Errors
    /// The disk is full.
    pub fn seal(self, manifest: Manifest) -> Result<Snapshot> {
        let path = self.partial.join(&self.entry.file);
        self.file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        let (sha256, bytes) = settle(&path)?;
        let tables = vec![TableEntry { sha256, bytes, ..self.entry }];
        let rejects = rejects(&self.partial, &tables[0].table, &self.refused)?.into_iter().collect();
        Snapshot::seal(&self.partial, &self.snapshots, Manifest { tables, rejects, ..manifest })
    }
}

fn rejects(partial: &Path, table: &TableName, rows: &[RejectedRow]) -> Result<Option<RejectsEntry>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let write = |path: &Path| {
        let mut out = BufWriter::new(private::create(path)?);
        for row in rows {
            serde_json::to_writer(&mut out, row)?;
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    };
    let (Part { file, sha256, bytes }, ()) = Part::write(partial, ("rejects", &table.to_string()), write)?;
    Ok(Some(RejectsEntry { table: table.clone(), file, sha256, bytes, rows: rows.len() as u64 }))
}

/// What JSON has a form of its own for.
fn as_json(value: &str) -> Value {
    match value {
        "t" => json!(true),
        "f" => json!(false),
        other => other.parse::<i64>().map_or_else(|_| json!(other), |number| json!(number)),
    }
}
