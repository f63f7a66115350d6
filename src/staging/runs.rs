//! What stages took, and what verifications found: `meta.stage_run` and `meta.verification`.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Staging;
use crate::error;
use crate::model::ident::literal;

/// What a stage took, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRun {
    pub run: String,
    pub stage: String,
    /// Of push and verify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// A hash of what it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Rows that it was about.
    pub rows: u64,
    pub milliseconds: u64,
    /// The most memory that the process held; none where the system does not say.
    pub peak_bytes: Option<u64>,
    /// Whether that is of this stage alone, or of the run up to its end.
    pub peak_of_stage: bool,
    /// RFC 3339.
    pub ended_at: String,
}

/// The last whole verification of a snapshot on a target.
#[derive(Debug, Clone)]
pub struct Verified {
    pub target: String,
    pub clean: bool,
    /// As verify serialised it.
    pub report: String,
    /// RFC 3339.
    pub ended_at: String,
}

const TIME: &str = "strftime(ended_at, '%Y-%m-%dT%H:%M:%S.%gZ')";

impl Staging {
    /// Writes down what a stage took.
    pub fn note_run(&self, run: &StageRun) -> Result<()> {
        let sql = "insert into meta.stage_run values (?, ?, ?, ?, ?, ?, ?, ?, ?::timestamptz)";
        let parameters: [&dyn duckdb::ToSql; 9] = [
            &run.run,
            &run.stage,
            &run.target,
            &run.output,
            &run.rows,
            &run.milliseconds,
            &run.peak_bytes,
            &run.peak_of_stage,
            &run.ended_at,
        ];
        self.connection().execute(sql, &parameters[..]).map(drop).map_err(error::duckdb)
    }

    /// What stages took, the latest last; nothing in a file of an earlier program.
    pub fn runs(&self) -> Result<Vec<StageRun>> {
        if !self.has_table("meta", "stage_run")? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select run, stage, target, output, rows::ubigint, milliseconds::ubigint, peak_bytes::ubigint, peak_of_stage, {TIME} \
             from meta.stage_run order by stage_run.ended_at"
        );
        self.rows(&sql, |row| {
            Ok(StageRun {
                run: row.get(0)?,
                stage: row.get(1)?,
                target: row.get(2)?,
                output: row.get(3)?,
                rows: row.get(4)?,
                milliseconds: row.get(5)?,
                peak_bytes: row.get(6)?,
                peak_of_stage: row.get(7)?,
                ended_at: row.get(8)?,
            })
        })
    }

    /// Keeps what a verification of a whole snapshot found, in place of the last one on that target.
    pub fn note_verification(
        &self,
        run: &str,
        snapshot: &str,
        target: &str,
        clean: bool,
        report: &str,
    ) -> Result<()> {
        let sql = "insert or replace into meta.verification values (?, ?, ?, ?, ?, now())";
        let parameters: [&dyn duckdb::ToSql; 5] = [&snapshot, &target, &run, &clean, &report];
        self.connection().execute(sql, &parameters[..]).map(drop).map_err(error::duckdb)
    }

    /// The last verifications of a snapshot, one a target.
    pub fn verifications(&self, snapshot: &str) -> Result<Vec<Verified>> {
        if !self.has_table("meta", "verification")? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select target, clean, report::varchar, {TIME} from meta.verification where snapshot = {} order by target",
            literal(snapshot)
        );
        self.rows(&sql, |row| {
            Ok(Verified {
                target: row.get(0)?,
                clean: row.get(1)?,
                report: row.get(2)?,
                ended_at: row.get(3)?,
            })
        })
    }
}
