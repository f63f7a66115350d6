//! `[sources.<name>]`: where records come from, and how they are read.

use anyhow::Result;
use rust_i18n::t;
use serde::Deserialize;

use crate::error::Failure;
use crate::model::ident::TableName;

/// One source: it becomes the table `raw.<name>`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Globs relative to the clinic's folder; files in name order are parts of one table. None for a live source.
    #[serde(default)]
    pub files: Vec<String>,
    /// The target table that decides each row's verdict; none for look-up sources that only feed others.
    #[serde(default)]
    pub primary: Option<TableName>,
    /// Why no model reads it, where that is meant; such a source has no primary table.
    #[serde(default)]
    pub unused: Option<String>,
    /// `utf-8`, `windows-1252`, `utf-16le` ... (WHATWG names); detected where not given.
    #[serde(default)]
    pub encoding: Option<String>,
    #[serde(default)]
    pub delimiter: Option<char>,
    /// The quoting character; `""` for none.
    #[serde(default)]
    pub quote: Option<String>,
    /// What stands before a quote within quotes, and before itself, such as a backslash; without it quotes are doubled.
    #[serde(default)]
    pub escape: Option<char>,
    /// 1-based line (CSV) or row (spreadsheet) of the header; 0 for a file without one, which names columns c1, c2 ...
    #[serde(default)]
    pub header_row: Option<u64>,
    /// Rows of a header that spans several (merged headers); their texts are joined by a space.
    #[serde(default)]
    pub header_rows: Option<u64>,
    /// A spreadsheet's sheet; the first visible one where not given.
    #[serde(default)]
    pub sheet: Option<String>,
    /// Whether an empty field, which is NULL when unquoted, is read as text instead.
    #[serde(default)]
    pub empty: Empty,
    /// The columns that tell a source's records apart, for one that comes in deliveries.
    #[serde(default)]
    pub key: Vec<String>,
    /// The column that grows with each change of a record: of the rows with one key the greatest is the record as it is now.
    #[serde(default)]
    pub cursor: Option<String>,
    /// The export may be missing for this clinic: an empty table with these columns takes its place.
    #[serde(default)]
    pub optional_columns: Option<Vec<String>>,
    /// A live source: the environment variable (or `.env` line) that holds its connection string.
    #[serde(default)]
    pub url: Option<String>,
    /// The table or view of a database: PostgreSQL's as SQL names it, a SQLite file's by its bare name.
    #[serde(default)]
    pub table: Option<String>,
    /// A query that a database answers.
    #[serde(default)]
    pub query: Option<String>,
    /// The collection of a dump (folder or archive) or of a MongoDB server: `name`, or `database.name`.
    #[serde(default)]
    pub collection: Option<String>,
    /// A folder whose files are listed, one record each.
    #[serde(default)]
    pub attachments: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Empty {
    #[default]
    Null,
    Text,
}

impl SourceConfig {
    /// A source that is left out has a reason, and is about no table.
    pub(super) fn validate(&self, name: &str) -> Result<()> {
        if self.cursor.is_some() == self.key.is_empty() {
            return Err(Failure::usage(t!("config.cursor_and_key", source = name)).into());
        }
        let what = [&self.table, &self.query, &self.collection];
        let named = what.into_iter().flatten().count();
        if named > 1 {
            return Err(Failure::usage(t!("config.one_of_table", source = name)).into());
        }
        if self.url.is_some() && (named == 0 || !self.files.is_empty()) {
            return Err(Failure::usage(t!("config.live_source", source = name)).into());
        }
        let Some(reason) = &self.unused else { return Ok(()) };
        if reason.trim().is_empty() {
            return Err(Failure::usage(t!("config.unused_why", source = name)).into());
        }
        if self.primary.is_some() {
            return Err(Failure::usage(t!("config.unused_primary", source = name)).into());
        }
        Ok(())
    }
}
