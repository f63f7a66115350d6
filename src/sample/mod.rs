//! sample: rows of a source: to be looked at here, masked, or with its shape and none of its people, to be shown to others.
//!
//! What a value becomes follows from a key that never leaves the staging folder: the same sample comes out again, and
//! nobody without the key can try values until one fits.

mod column;
mod document;
mod mask;
mod survey;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use self::document::Rewriter;
use self::mask::{Kind, Masks};
use self::survey::Survey;
use crate::config::{Clinic, Project, near, sheet};
use crate::error::Failure;
use crate::model::hex;
use crate::model::ident::{literal, quoted};
use crate::model::masked::masked;
use crate::staging::{Staging, private_folder};

/// What to take and where to put it.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub staging: &'a Staging,
    pub source: String,
    pub rows: u64,
    pub style: Style,
    /// A file to write: CSV, of documents a document a line. Without one the rows are in the report.
    pub out: Option<PathBuf>,
}

/// What becomes of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// Letters as x, digits as 9.
    Masked,
    /// As they are.
    Shown,
    /// Others in their place.
    Anonymised,
}

/// The sample.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub source: String,
    pub style: Style,
    /// The file that was written.
    pub path: Option<String>,
    pub rows: u64,
    /// What became of values that were replaced by others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnReport>,
    /// Objects of the columns, or the documents, where no file was written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<Box<RawValue>>,
}

/// What became of the values of a column, of documents of a path.
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

impl How {
    /// What most of the replaced values had.
    fn of(kinds: &BTreeMap<Kind, usize>, kept: usize) -> Self {
        match kinds.iter().max_by_key(|(_, count)| **count) {
            _ if kept > 0 => How::Kept,
            Some((kind, _)) => kind.how(),
            None => How::Empty,
        }
    }
}

/// Deep documents are gone through level by level: room for the deepest that load takes.
const STACK: usize = 256 << 20;

/// Takes the sample, and writes it where it is to be a file.
///
/// # Errors
/// No such source, or the file cannot be written.
pub fn run(options: &Options<'_>) -> Result<Report> {
    let names = columns(options)?;
    let key = match options.style {
        Style::Anonymised => key(options)?,
        // The same rows each time, whoever looks.
        Style::Masked | Style::Shown => options.clinic.uid.clone().into_bytes(),
    };
    let masks = Masks::new(&key);
    if !names.iter().any(|name| name == DOCUMENT) {
        return table(options, &names, &key, masks);
    }
    if let Some(out) = options.out.as_ref().filter(|out| out.extension().is_some_and(|end| end == "csv")) {
        let message = t!("sample.no_csv", source = options.source, path = out.display());
        return Err(Failure::usage(message).hint(t!("sample.no_csv_hint")).into());
    }
    documents(options, &key, masks)
}

/// The column of whole documents.
const DOCUMENT: &str = "_doc";

fn table(options: &Options<'_>, names: &[String], key: &[u8], mut masks: Masks) -> Result<Report> {
    let columns = match options.style {
        Style::Anonymised => column::look(options.staging, &options.source, names)?,
        Style::Masked | Style::Shown => names.iter().map(|_| column::Column::default()).collect(),
    };
    let mut kinds = vec![BTreeMap::<Kind, usize>::new(); names.len()];
    let mut told =
        |place: usize, value: String, id: i64, kinds: &mut Vec<BTreeMap<Kind, usize>>| match options.style {
            Style::Shown => value,
            Style::Masked => masked(&value),
            Style::Anonymised if value.is_empty() || columns[place].kept.contains(&value) => value,
            Style::Anonymised => {
                let (masked, kind) = masks.value(&value, id, &names[place], columns[place].month_first);
                *kinds[place].entry(kind).or_default() += 1;
                masked
            }
        };
    let rows: Vec<Vec<Option<String>>> = rows(options, names, key)?
        .into_iter()
        .map(|(id, cells)| {
            let cells = cells.into_iter().enumerate();
            cells.map(|(place, cell)| cell.map(|value| told(place, value, id, &mut kinds))).collect()
        })
        .collect();
    let told = names.iter().zip(&columns).zip(&kinds).filter(|_| options.style == Style::Anonymised);
    let told = told.map(|((column, found), kinds)| ColumnReport {
        column: column.clone(),
        how: How::of(kinds, found.kept.len()),
        kept: found.kept.len(),
        person: found.person,
    });
    let mut report = report(options, rows.len(), told.collect());
    match &options.out {
        Some(out) => {
            let lines = rows
                .iter()
                .map(|row| row.iter().map(|cell| field(cell.as_deref())).collect::<Vec<_>>().join(","));
            let lines = std::iter::once(sheet::line(names, ',')).chain(lines);
            sheet::replace(out, &lines.map(|line| line + "\n").collect::<String>(), 0o600)?;
        }
        None => {
            let objects = rows.into_iter().map(|row| {
                let cells = names.iter().cloned().zip(row.into_iter().map(Value::from));
                RawValue::from_string(Value::Object(cells.collect::<Map<_, _>>()).to_string())
            });
            report.sample = objects.collect::<serde_json::Result<_>>()?;
        }
    }
    Ok(report)
}

/// A cell of CSV; an empty text is told from nothing by its quotes.
fn field(cell: Option<&str>) -> String {
    match cell {
        None => String::new(),
        Some("") => "\"\"".to_owned(),
        Some(value) => sheet::line([value], ','),
    }
}

fn documents(options: &Options<'_>, key: &[u8], mut masks: Masks) -> Result<Report> {
    let survey = Survey::of(options.staging, &format!("raw.{}", quoted(&options.source)))?;
    let rows = rows(options, &[DOCUMENT.to_owned()], key)?;
    let mut rewriter = Rewriter::new(&survey, &mut masks, options.style);
    let rewrite = || -> Vec<String> {
        let rows = rows.into_iter();
        rows.filter_map(|(id, mut cells)| Some(rewriter.document(&cells.pop()??, id))).collect()
    };
    let texts = std::thread::scope(|scope| {
        let work = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, rewrite)?;
        anyhow::Ok(work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let told = rewriter.kinds.iter().map(|(path, kinds)| ColumnReport {
        column: path.clone(),
        how: How::of(kinds, survey.kept(path)),
        kept: survey.kept(path),
        person: survey.is_person(path),
    });
    let whole = survey.whole(&rewriter.kinds).map(|(path, kept)| ColumnReport {
        column: path.to_owned(),
        how: How::Kept,
        kept,
        person: false,
    });
    let mut columns: Vec<ColumnReport> =
        told.chain(whole).filter(|_| options.style == Style::Anonymised).collect();
    columns.sort_by(|left, right| left.column.cmp(&right.column));
    let mut report = report(options, texts.len(), columns);
    match &options.out {
        Some(out) => {
            sheet::replace(out, &texts.iter().map(|text| format!("{text}\n")).collect::<String>(), 0o600)?;
        }
        None => {
            report.sample =
                texts.into_iter().map(RawValue::from_string).collect::<serde_json::Result<_>>()?;
        }
    }
    Ok(report)
}

fn report(options: &Options<'_>, rows: usize, columns: Vec<ColumnReport>) -> Report {
    Report {
        source: options.source.clone(),
        style: options.style,
        path: options.out.as_ref().map(|out| out.display().to_string()),
        rows: rows as u64,
        columns,
        sample: Vec::new(),
    }
}

/// The source's own columns, in order.
fn columns(options: &Options<'_>) -> Result<Vec<String>> {
    let columns: Vec<String> = options.staging.rows(
        &format!(
            "select column_name from duckdb_columns() where schema_name = 'raw' and table_name = {} \
             and (column_name[1] <> '_' or column_name = '{DOCUMENT}') order by column_index",
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
