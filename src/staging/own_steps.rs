//! How each of a clinic's own steps ended last: `meta.command`.

use anyhow::Result;
use serde::Serialize;

use super::{Ended, Staging};
use crate::error;

/// A row of `meta.command`.
#[derive(Debug, Clone, Serialize)]
pub struct OwnStepRow {
    pub name: String,
    /// `before push`.
    pub place: String,
    /// A hash of what it did.
    pub fingerprint: String,
    #[serde(rename = "status")]
    pub ended: Ended,
    pub run: String,
    pub milliseconds: Option<u64>,
    /// RFC 3339.
    pub ended_at: Option<String>,
}

impl Staging {
    /// Marks a step as started.
    pub fn begin_own_step(&self, name: &str, place: &str, fingerprint: &str, run: &str) -> Result<()> {
        self.connection()
            .execute(
                "insert or replace into meta.command (name, place, fingerprint, status, run, started_at)
                 values (?, ?, ?, 'running', ?, now())",
                [name, place, fingerprint, run],
            )
            .map(drop)
            .map_err(error::duckdb)
    }

    /// Writes down that a step is done, or failed.
    pub fn finish_own_step(&self, name: &str, ended: Ended, milliseconds: u64) -> Result<()> {
        self.connection()
            .execute(
                "update meta.command set status = ?, milliseconds = ?, ended_at = now() where name = ?",
                duckdb::params![ended.as_str(), milliseconds, name],
            )
            .map(drop)
            .map_err(error::duckdb)
    }

    /// The steps that were ever started; none in a file of an earlier program.
    pub fn own_steps(&self) -> Result<Vec<OwnStepRow>> {
        if !self.has_table("meta", "command")? {
            return Ok(Vec::new());
        }
        let sql = "select name, place, fingerprint, status, run, milliseconds::ubigint, \
                   strftime(ended_at, '%Y-%m-%dT%H:%M:%S.%gZ') from meta.command order by started_at";
        self.rows(sql, |row| {
            Ok(OwnStepRow {
                name: row.get(0)?,
                place: row.get(1)?,
                fingerprint: row.get(2)?,
                ended: Ended::parse(&row.get::<_, String>(3)?),
                run: row.get(4)?,
                milliseconds: row.get(5)?,
                ended_at: row.get(6)?,
            })
        })
    }
}
