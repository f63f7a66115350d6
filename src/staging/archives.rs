//! What was archived: `meta.archive`.

use anyhow::Result;
use serde::Serialize;

use super::Staging;
use crate::error;
use crate::model::run::Stage;

/// An archive that was read back and found whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Archived {
    pub snapshot: String,
    pub bucket: String,
    /// What the keys of its objects begin with.
    pub prefix: String,
    pub objects: u64,
    pub bytes: u64,
    /// SHA-256 (hex) of its index.
    pub index_sha256: String,
    /// RFC 3339.
    pub retain_until: Option<String>,
    pub legal_hold: bool,
    pub who: String,
    /// RFC 3339.
    pub at: String,
}

impl Archived {
    /// Whether both are of one snapshot in one place.
    pub fn is_of(&self, other: &Self) -> bool {
        let place = |one: &Self| (one.snapshot.clone(), one.bucket.clone(), one.prefix.clone());
        place(self) == place(other)
    }
}

const TIME: &str = "'%Y-%m-%dT%H:%M:%SZ'";

impl Staging {
    /// Writes an archive down; of one snapshot in one place the last one is known.
    pub fn note_archive(&self, one: &Archived) -> Result<()> {
        let sql = "insert or replace into meta.archive values (?, ?, ?, ?, ?, ?, ?::timestamptz, ?, ?, ?::timestamptz)";
        let parameters: [&dyn duckdb::ToSql; 10] = [
            &one.snapshot,
            &one.bucket,
            &one.prefix,
            &one.objects,
            &one.bytes,
            &one.index_sha256,
            &one.retain_until,
            &one.legal_hold,
            &one.who,
            &one.at,
        ];
        self.connection().execute(sql, &parameters[..]).map(drop).map_err(error::duckdb)
    }

    /// What was archived, the latest last; nothing in a file of an earlier program.
    pub fn archives(&self) -> Result<Vec<Archived>> {
        if !self.has_table("meta", "archive")? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select snapshot, bucket, prefix, objects::ubigint, bytes::ubigint, index_sha256, \
             strftime(retain_until, {TIME}), legal_hold, who, strftime(archived_at, {TIME}) \
             from meta.archive order by archive.archived_at"
        );
        self.rows(&sql, |row| {
            Ok(Archived {
                snapshot: row.get(0)?,
                bucket: row.get(1)?,
                prefix: row.get(2)?,
                objects: row.get(3)?,
                bytes: row.get(4)?,
                index_sha256: row.get(5)?,
                retain_until: row.get(6)?,
                legal_hold: row.get(7)?,
                who: row.get(8)?,
                at: row.get(9)?,
            })
        })
    }

    /// Whether the tables still are what a snapshot was made of.
    pub fn holds(&self, snapshot: &str) -> Result<bool> {
        let stages = self.stages()?;
        let of = |stage: Stage| stages.iter().find(|row| row.stage == stage);
        let Some(export) = of(Stage::Export) else { return Ok(false) };
        let made = |stage: Stage| of(stage).and_then(|row| row.output.as_ref());
        let read = |stage: Stage| of(stage).and_then(|row| row.input.as_ref());
        Ok(export.output.as_deref() == Some(snapshot)
            && export.input.as_ref() == made(Stage::Check)
            && read(Stage::Check) == made(Stage::Transform)
            && read(Stage::Transform) == made(Stage::Load))
    }
}
