//! What speaks against a file, by rule and section.

use std::collections::BTreeMap;

use anyhow::Result;
use duckdb::params;
use serde::Serialize;

use crate::desk;
use crate::error;
use crate::model::run::Stage;
use crate::staging::Staging;

/// Rows that earlier runs brought, by key and batch.
pub const ROWS_UNLISTED: &str = "file_rows_unlisted";

/// Why a file is not uploaded, or not told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rule {
    /// It is listed, and not there.
    Missing,
    Empty,
    Unreadable,
    /// Its path leads out of the folder.
    Outside,
    /// It is there, and nothing lists it.
    Unreferenced,
    /// The list gives no path.
    NoPath,
    /// Whose it is, no row of the owners says, or several.
    NoOwner,
    /// Its owner is no row of the target.
    OwnerNotPushed,
    /// Whether it is a consent cannot be read.
    ConsentUnclear,
    /// It is listed several times for one owner, and not in the same words; a consent is one then.
    Twice,
    /// Its name, or a folder's above it, begins with a dot.
    Hidden,
    /// The list has no row, or the folder no file: nobody can tell that from one that was lost.
    NothingListed,
    /// Its name is no text, so no list can say it.
    UnreadableName,
    /// Rows of an earlier run, of whose table no section is any more.
    RowsUnlisted,
}

impl Rule {
    fn as_str(self) -> &'static str {
        match self {
            Rule::Missing => "file_missing",
            Rule::Empty => "file_empty",
            Rule::Unreadable => "file_unreadable",
            Rule::Outside => "file_outside",
            Rule::Unreferenced => "file_unreferenced",
            Rule::NoPath => "file_no_path",
            Rule::NoOwner => "file_no_owner",
            Rule::OwnerNotPushed => "file_owner_not_pushed",
            Rule::ConsentUnclear => "file_consent_unclear",
            Rule::Twice => "file_twice",
            Rule::Hidden => "file_hidden",
            Rule::NothingListed => "file_nothing_listed",
            Rule::UnreadableName => "file_unreadable_name",
            Rule::RowsUnlisted => ROWS_UNLISTED,
        }
    }
}

/// A rule, and the files that it is about.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// As the desk knows it.
    pub id: String,
    pub rule: &'static str,
    /// The list, or the folder; of rows their table.
    pub subject: String,
    pub count: u64,
    pub places: Vec<Place>,
}

/// One file: by its path from the folder on, and by the record that lists it. Or a row: by its key, and by the batch that
/// wrote it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}

#[derive(Default)]
pub(super) struct Findings(BTreeMap<(String, Rule), Vec<Place>>);

impl Findings {
    pub(super) fn add(&mut self, subject: &str, rule: Rule, path: &str, record: Option<&str>) {
        let place = Place { path: path.to_owned(), record: record.map(str::to_owned) };
        self.0.entry((subject.to_owned(), rule)).or_default().push(place);
    }

    pub(super) fn into_list(self) -> Vec<Finding> {
        let finding = |((subject, rule), mut places): ((String, Rule), Vec<Place>)| {
            places.sort();
            let rule = rule.as_str();
            let id = desk::id(Stage::Files.as_str(), rule, &subject, None);
            Finding { id, rule, count: places.len() as u64, subject, places }
        };
        self.0.into_iter().map(finding).collect()
    }
}

/// Writes down what was found, for the desk: names of files stay out, they may be patients'.
pub(super) fn note(staging: &Staging, findings: &[Finding]) -> Result<()> {
    staging.transaction(|| {
        staging.execute("delete from meta.finding where stage = 'files'")?;
        for one in findings {
            staging
                .connection()
                .execute(
                    "insert into meta.finding values ('files', ?, 'critical', ?, null, ?, null)",
                    params![one.rule, one.subject, one.count],
                )
                .map_err(error::duckdb)?;
        }
        Ok(())
    })
}
