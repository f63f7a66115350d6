//! How a file is read, as it is reported and frozen.

use std::fmt;

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};

use crate::config::{Empty, SourceConfig};
use crate::error::Failure;

/// What was given or detected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "lowercase")]
pub enum Dialect {
    Text(TextDialect),
    Sheet(SheetDialect),
    Postgres(PostgresDialect),
    Sqlite(SqliteDialect),
    Document(DocumentDialect),
    Parquet(ParquetDialect),
    Folder,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParquetDialect {
    /// Type of each column, as DuckDB calls it.
    pub types: Vec<String>,
}

/// What a PostgreSQL was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresDialect {
    /// The table, as SQL names it; none for a query.
    pub table: Option<String>,
    /// Type of each column, as PostgreSQL calls it.
    pub types: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextDialect {
    /// `ascii` for a file that is the same in every encoding.
    pub encoding: String,
    pub delimiter: char,
    pub quote: Option<char>,
    /// What stands before a quote within quotes, where quotes are not doubled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escape: Option<char>,
    /// 1-based line of the header's first record; 0 for none.
    pub header_row: u64,
    /// Records that the header spans.
    pub header_rows: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetDialect {
    /// `xlsx`, `xlsb`, `xls`, `ods`.
    pub kind: String,
    pub sheet: String,
    /// 1-based sheet row; 0 for none.
    pub header_row: u64,
    pub header_rows: u64,
    /// 1900 or 1904: the year from which the file counts days.
    pub date_system: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqliteDialect {
    /// A table or view; none for a query.
    pub table: Option<String>,
    /// How the file holds texts, as SQLite names it: `UTF-8`, `UTF-16le`, `UTF-16be`.
    pub encoding: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentDialect {
    /// `json`, `bson` or `archive`.
    pub form: String,
    #[serde(default)]
    pub gzip: bool,
    /// Of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Of an archive, with its database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
}

/// The separating characters; they are ASCII by construction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<u8>,
}

impl TextDialect {
    /// Comma, double quotes, UTF-8, header in the first line.
    pub fn plain() -> Self {
        Self {
            encoding: "utf-8".to_owned(),
            delimiter: ',',
            quote: Some('"'),
            escape: None,
            header_row: 1,
            header_rows: 1,
        }
    }

    /// What to write in clinic.toml so that a file is read as this says and not as another does.
    pub(super) fn settings(&self, other: &Self) -> String {
        let toml = |character: Option<char>| toml::Value::String(character.into_iter().collect());
        let settings = [
            (self.delimiter != other.delimiter)
                .then(|| format!("delimiter = {}", toml(Some(self.delimiter)))),
            (self.quote != other.quote).then(|| format!("quote = {}", toml(self.quote))),
            (self.header_row != other.header_row).then(|| format!("header_row = {}", self.header_row)),
            (self.header_rows != other.header_rows).then(|| format!("header_rows = {}", self.header_rows)),
        ];
        settings.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    pub(super) fn bytes(&self) -> Bytes {
        let byte = |character: char| character as u8;
        Bytes { delimiter: byte(self.delimiter), quote: self.quote.map(byte), escape: self.escape.map(byte) }
    }
}

impl fmt::Display for TextDialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delimiter =
            if self.delimiter == '\t' { "tab".to_owned() } else { format!("'{}'", self.delimiter) };
        let mut quote = self.quote.map_or_else(|| "-".to_owned(), |quote| quote.to_string());
        if let Some(escape) = self.escape {
            quote = t!("load.dialect.escaped", quote = quote, escape = escape).into_owned();
        }
        let key = if self.header_row == 0 { "load.dialect.text_alone" } else { "load.dialect.text" };
        let text =
            t!(key, encoding = self.encoding, delimiter = delimiter, quote = quote, row = self.header_row);
        formatter.write_str(&text)
    }
}

impl fmt::Display for DocumentDialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&match self.form.as_str() {
            "json" => t!("documents.dialect.json", encoding = self.encoding.as_deref().unwrap_or("utf-8")),
            "bson" => t!("documents.dialect.bson"),
            _ => t!("documents.dialect.archive", collection = self.collection.as_deref().unwrap_or("?")),
        })?;
        if self.gzip { formatter.write_str(", gzip") } else { Ok(()) }
    }
}

impl fmt::Display for SheetDialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.header_row == 0 { "load.dialect.sheet_alone" } else { "load.dialect.sheet" };
        let text =
            t!(key, kind = self.kind, sheet = self.sheet, row = self.header_row, system = self.date_system);
        formatter.write_str(&text)
    }
}

impl fmt::Display for PostgresDialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&match &self.table {
            Some(table) => t!("load.dialect.postgres", table = table),
            None => t!("load.dialect.postgres_query"),
        })
    }
}

impl fmt::Display for SqliteDialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = &self.encoding;
        formatter.write_str(&match &self.table {
            Some(table) => t!("sqlite.dialect.table", table = table, encoding = encoding),
            None => t!("sqlite.dialect.query", encoding = encoding),
        })
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dialect::Text(dialect) => dialect.fmt(formatter),
            Dialect::Sheet(dialect) => dialect.fmt(formatter),
            Dialect::Postgres(dialect) => dialect.fmt(formatter),
            Dialect::Sqlite(dialect) => dialect.fmt(formatter),
            Dialect::Document(dialect) => dialect.fmt(formatter),
            Dialect::Parquet(dialect) => {
                formatter.write_str(&t!("parquet.dialect", columns = dialect.types.len()))
            }
            Dialect::Folder => formatter.write_str(&t!("folder.dialect")),
        }
    }
}

/// Refuses options that cannot be, before any file is opened.
pub fn validate(source: &str, config: &SourceConfig) -> Result<()> {
    if let Some(key) = misfit(config).filter(|_| config.attachments.is_some()) {
        return Err(Failure::usage(t!("folder.alone", source = source, key = key)).into());
    }
    let is_database = config.url.is_some() || config.table.is_some() || config.query.is_some();
    // A PostgreSQL may not know what its texts are in.
    let of_postgres = config.url.is_some() && config.collection.is_none();
    let key = text_keys(config).find(|key| !(of_postgres && *key == "encoding"));
    if let Some(key) = key.filter(|_| is_database) {
        return Err(Failure::usage(t!("load.key_of_text", source = source, key = key)).into());
    }
    if let Some(name) = &config.encoding {
        super::encoding::by_name(source, name)?;
    }
    let quote = given_quote(config);
    let one_character = |text: &str| text.chars().count() <= 1;
    let bad_quote =
        config.quote.as_deref().is_some_and(|quote| !one_character(quote)) || !usable(quote.flatten());
    let same = config.delimiter.is_some() && Some(config.delimiter) == quote;
    if bad_quote || !usable(config.delimiter) || same {
        return Err(Failure::usage(t!("load.bad_dialect", source = source)).into());
    }
    // Without a quote that is given, it is one of the two that are detected.
    let taken = [quote.unwrap_or(Some('"')), config.delimiter, Some('\'').filter(|_| quote.is_none())];
    let bad_escape = config.escape.is_some() && (taken.contains(&config.escape) || quote == Some(None));
    if bad_escape || !usable(config.escape) {
        return Err(Failure::usage(t!("load.bad_escape", source = source)).into());
    }
    Ok(())
}

/// A key that does not go with a folder of attachments.
fn misfit(config: &SourceConfig) -> Option<&'static str> {
    let others = [
        ("files", !config.files.is_empty()),
        ("url", config.url.is_some()),
        ("table", config.table.is_some()),
        ("query", config.query.is_some()),
        ("collection", config.collection.is_some()),
        ("optional_columns", config.optional_columns.is_some()),
        ("cursor", config.cursor.is_some()),
    ];
    text_keys(config).next().or_else(|| others.into_iter().find_map(|(name, given)| given.then_some(name)))
}

/// The keys that say how a text or a sheet is read.
fn text_keys(config: &SourceConfig) -> impl Iterator<Item = &'static str> {
    let keys = [
        ("encoding", config.encoding.is_some()),
        ("delimiter", config.delimiter.is_some()),
        ("quote", config.quote.is_some()),
        ("escape", config.escape.is_some()),
        ("header_row", config.header_row.is_some()),
        ("header_rows", config.header_rows.is_some()),
        ("sheet", config.sheet.is_some()),
        ("empty", config.empty != Empty::Null),
    ];
    keys.into_iter().filter_map(|(name, given)| given.then_some(name))
}

/// The quote of clinic.toml: not given, given as none, or given.
pub(super) fn given_quote(config: &SourceConfig) -> Option<Option<char>> {
    config.quote.as_ref().map(|quote| quote.chars().next())
}

fn usable(character: Option<char>) -> bool {
    character.is_none_or(|character| character.is_ascii() && !matches!(character, '\n' | '\r' | '\0'))
}
