//! trace: one record's way from its file and line to its row in PostgreSQL, and a row's way back. Writes nothing.

mod ask;
mod earlier;
mod find;
mod journey;
mod origin;
mod vanished;

use anyhow::Result;
use serde::Serialize;
use tokio_postgres::Client;

use crate::config::{Clinic, Project};
use crate::model::catalog::Catalog;
use crate::model::ident::TableName;
use crate::staging::Staging;

/// Where to look.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub staging: &'a Staging,
    /// The target and its catalog, where it could be reached.
    pub target: Option<(&'a Client, &'a Catalog)>,
    /// Steps carry their cells; for a terminal only.
    pub show_values: bool,
    /// At most so many records are followed.
    pub most: usize,
}

/// What to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Records of a source, by natural key, or by `row`, `file:row` or `source:file:row`.
    Record { source: String, wanted: String },
    /// A row of the target, by its key as the ledger spells it.
    Row { table: TableName, id: String },
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of a row of the target: what it is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<RowOrigin>,
    pub records: Vec<Journey>,
    /// Records beyond those.
    pub not_listed: usize,
    /// What the ledger knows of a record that only an earlier delivery had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Remembered>,
}

/// A record that the source has no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remembered {
    pub source: String,
    pub wanted: String,
    /// What became of it, as the ledger has it.
    pub rows: Vec<Stored>,
    /// Where it made no row of its own: what the last batch that knew it says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

/// A record's verdict in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    pub batch: String,
    /// `source:file:row` of that delivery.
    pub record: String,
    pub verdict: String,
    pub errors: Vec<String>,
}

/// A row of the target on its way back.
#[derive(Debug, Clone, Serialize)]
pub struct RowOrigin {
    pub table: TableName,
    pub id: String,
    /// The staging file has it among the rows that may be pushed.
    pub ready: bool,
    /// The records that it is made of, as `source:file:row`.
    pub records: Vec<String>,
    /// Where it is made of several: which record gave each column of `golden`.
    pub columns: Vec<Given>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Stored>,
}

/// Which record a surviving value is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    pub column: String,
    pub source_id: String,
}

/// One record's way.
#[derive(Debug, Clone, Serialize)]
pub struct Journey {
    /// `source:file:row`.
    pub record: String,
    pub source: String,
    /// Relative to the clinic's folder.
    pub file: String,
    /// Among the file's data records, from 1.
    pub row: u64,
    /// Physical line, or row of the sheet; none where the file is gone or is another one now.
    pub line: Option<u64>,
    /// Its natural key, where a model read it.
    pub source_id: Option<String>,
    /// None before the first check.
    pub verdict: Option<String>,
    pub steps: Vec<Step>,
    pub fates: Vec<Fate>,
    /// Records that are one row with it.
    pub merged_with: Vec<String>,
    /// What people decided about it and another record.
    pub decisions: Vec<Decided>,
    /// Its rows in PostgreSQL; empty where that was not asked.
    pub target: Vec<Stored>,
}

/// A table of the staging file that has the record.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub table: String,
    /// What names the row there: source_id, golden_id.
    pub id: Option<String>,
    /// How many records the row is made of.
    pub records: u64,
    /// Rules by which its model repaired the row.
    pub repairs: Vec<String>,
    /// Cells that a person corrected in `fixes/<entity>.csv`.
    pub corrections: Vec<Correction>,
    /// Column and cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<(String, Option<String>)>>,
}

/// A cell that a line of `fixes/<entity>.csv` corrected; the value stays in that file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Correction {
    pub column: String,
    /// Line of the file, from 1.
    pub line: u64,
    pub who: Option<String>,
    pub reason: Option<String>,
}

/// A line of `meta.fate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fate {
    pub fate: String,
    pub table: Option<String>,
    pub id: Option<String>,
    pub detail: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decided {
    pub entity: String,
    pub decision: String,
    pub with: String,
}

/// A row as PostgreSQL and its ledger have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stored {
    pub table: TableName,
    pub id: String,
    /// The last batch of the clinic that wrote it.
    pub batch: Option<String>,
    pub there: bool,
    /// The batch that wrote it and was taken back without it; none where one wrote it that stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_by: Option<String>,
    /// The row is bit for bit what that batch left; none where that cannot be told.
    pub as_loaded: Option<bool>,
    /// Why the clinic's last batch left it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// The later batch that deleted it; none where people did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_by: Option<String>,
    /// The batch that wrote it and was taken back, where it is gone since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<String>,
    /// It is the state of an earlier snapshot, and this is why it is there still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Earlier>,
}

/// Why a row stands whose record makes none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Earlier {
    /// The record is rejected now.
    Rejected,
    /// As `vanished` says.
    Kept,
    Flagged,
    /// `vanished`, or mode `sync`, wants it deleted: a push has not come to it yet, or rows that stay refer to it.
    Deleted,
    /// So it does, but people changed the row, and that stands.
    Theirs,
    /// So it does, but people changed the row, and are to decide.
    Waits,
    /// So it does, but its record may be among those that could not be read.
    Unread,
    /// So it does, but its record may be one of those whose rejected rows have nothing to know them by.
    Nameless,
    /// No setting says anything of such rows.
    Unsaid,
}

/// Follows records, or a row back to its records.
///
/// # Errors
/// A source, record or row that is not there; DuckDB or PostgreSQL failing.
pub async fn run(options: &Options<'_>, question: &Question) -> Result<Report> {
    let mut remembered = None;
    let (row, mut ids) = match question {
        Question::Record { source, wanted } => {
            let found = find::records(options, source, wanted)?;
            // A number may be the key of a record that is gone, and a row where another one is now.
            let is_nowhere = found.ids.is_empty();
            if is_nowhere || !found.by_key && !wanted.contains(':') {
                remembered = earlier::of_key(options, source, wanted, is_nowhere).await?;
            }
            if found.ids.is_empty() && remembered.is_none() {
                return Err(find::nothing(options, source, wanted).into());
            }
            (None, found.ids)
        }
        Question::Row { table, id } => {
            let (row, ids) = origin::of(options, table, id).await?;
            (Some(row), ids)
        }
    };
    let not_listed = ids.len().saturating_sub(options.most);
    ids.truncate(options.most);
    let mut records = Vec::new();
    for id in ids {
        let mut journey = journey::of(options, id)?;
        journey.target = ask::rows_of(options, &journey).await?;
        journey.target.extend(earlier::of_journey(options, &journey, id).await?);
        records.push(journey);
    }
    Ok(Report { row, records, not_listed, earlier: remembered })
}
