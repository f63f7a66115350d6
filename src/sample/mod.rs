//! sample: rows of a source that have its shape and none of its people, to be shown to somebody else.
//!
//! What a value becomes follows from a key that never leaves the staging folder: the same sample comes out again, and
//! nobody without the key can try values until one fits.

mod column;
mod mask;

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use self::mask::{Kind, Masks};
use crate::config::{Clinic, Project, near, sheet};
use crate::error::Failure;
use crate::model::hex;
use crate::model::ident::{literal, quoted};
use crate::staging::{Staging, private_folder};

/// What to take and where to put it.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub staging: &'a Staging,
    pub source: String,
    pub rows: u64,
    /// A CSV file.
    pub out: PathBuf,
}

/// The sample that was written.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub source: String,
    pub path: String,
    pub rows: u64,
    pub columns: Vec<ColumnReport>,
}

/// What became of a column's values.
#[derive(Debug, Clone, Serialize)]
pub struct ColumnReport {
    pub column: String,
    pub how: How,
    /// Distinct values that stand as they are.
    pub kept: usize,
    /// It would have been kept, but it looks like a person.
    pub person: bool,
}

/// How a column's values are told from the old ones; of several the one that most values had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// As they are: few values that many rows have. Rare ones among them are replaced.
    Kept,
    /// Moved by some days, all dates of a row by the same.
    Dates,
    /// Other digits and letters, the same value always by the same.
    Codes,
    Emails,
    /// Other letters, word by word.
    Text,
    Empty,
}

/// Writes the sample.
///
/// # Errors
/// No such source, or the file cannot be written.
pub fn run(options: &Options<'_>) -> Result<Report> {
    let staging = options.staging;
    let names = columns(options)?;
    let key = key(options)?;
    let columns = column::look(staging, &options.source, &names)?;
    let mut masks = Masks::new(&key);
    let mut text = sheet::line(&names, ',') + "\n";
    let mut kinds = vec![std::collections::BTreeMap::<Kind, usize>::new(); names.len()];
    let rows = rows(options, &names, &key)?;
    for (id, cells) in &rows {
        let cells = cells.iter().enumerate().map(|(place, cell)| {
            let Some(value) = cell.as_deref() else { return String::new() };
            // An empty text is told from nothing by its quotes.
            if value.is_empty() {
                return "\"\"".to_owned();
            }
            if columns[place].kept.contains(value) {
                return sheet::line([value], ',');
            }
            let (masked, kind) = masks.value(value, *id, &names[place], columns[place].month_first);
            *kinds[place].entry(kind).or_default() += 1;
            sheet::line([masked], ',')
        });
        text += &(cells.collect::<Vec<_>>().join(",") + "\n");
    }
    sheet::replace(&options.out, &text, 0o600)?;
    let told = names.into_iter().zip(columns).zip(kinds).map(|((column, found), kinds)| ColumnReport {
        how: match kinds.iter().max_by_key(|(_, count)| **count) {
            _ if !found.kept.is_empty() => How::Kept,
            Some((kind, _)) => kind.how(),
            None => How::Empty,
        },
        kept: found.kept.len(),
        person: found.person,
        column,
    });
    let columns = told.collect();
    let path = options.out.display().to_string();
    Ok(Report { source: options.source.clone(), path, rows: rows.len() as u64, columns })
}

/// The source's own columns, in order.
fn columns(options: &Options<'_>) -> Result<Vec<String>> {
    let columns: Vec<String> = options.staging.rows(
        &format!(
            "select column_name from duckdb_columns() where schema_name = 'raw' and table_name = {} \
             and column_name[1] <> '_' order by column_index",
            literal(&options.source)
        ),
        |row| row.get(0),
    )?;
    if !columns.is_empty() {
        return Ok(columns);
    }
    let known: Vec<String> = options
        .staging
        .rows("select table_name from duckdb_tables() where schema_name = 'raw' order by 1", |row| {
            row.get(0)
        })?;
    let near = near(&options.source, &known);
    Err(Failure::usage(t!("sample.no_source", source = options.source, near = near))
        .hint(t!("sample.no_source_hint", known = known.join(", ")))
        .into())
}

/// `_id` and cells of the rows that the key picks.
fn rows(options: &Options<'_>, names: &[String], key: &[u8]) -> Result<Vec<(i64, Vec<Option<String>>)>> {
    let order = literal(&hex(Sha256::digest([b"order", key].concat())));
    let cells = names.iter().map(|name| format!(", {}::varchar", quoted(name))).collect::<String>();
    let sql = format!(
        "select _id{cells} from raw.{} order by md5({order} || _id::varchar), _id limit {}",
        quoted(&options.source),
        options.rows
    );
    options.staging.rows(&sql, |row| {
        let cells = (1..=names.len()).map(|place| row.get(place)).collect::<duckdb::Result<_>>()?;
        Ok((row.get(0)?, cells))
    })
}

/// The clinic's key for samples, made by the first; purge takes it with the staging folder.
fn key(options: &Options<'_>) -> Result<Vec<u8>> {
    let folder = options.project.staging_dir(&options.clinic.name);
    let path = folder.join("sample.key");
    if !path.is_file() {
        private_folder(&folder)?;
        let mut random = [0; 32];
        fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random))?;
        sheet::replace(&path, &hex(random), 0o600)?;
    }
    fs::read(&path).with_context(|| t!("config.cannot_read", path = path.display()))
}
