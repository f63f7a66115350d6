//! profile: what the sources hold before anybody has written a model: types, nulls, keys, references, shapes of documents.
//!
//! It reads `raw` and writes nothing, but for the drafts of models that are asked for.

mod column;
mod document;
mod draft;
mod expression;
mod forms;
mod identifier;
mod keys;
mod sqlite;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use crate::config::{Clinic, Project, near};
use crate::error::{Failure, interrupt};
use crate::model::ident::{ClinicName, literal, quoted};
use crate::model::profile::{Reference, SourceProfile};
use crate::staging::Staging;

pub use draft::{Draft, write as write_drafts};

/// What to look at.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub staging: &'a Staging,
    /// Source names; empty for all.
    pub only: Vec<String>,
    /// Values stand there as they are.
    pub show_values: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub clinic: ClinicName,
    pub sources: Vec<SourceProfile>,
    pub references: Vec<Reference>,
}

/// From this part of the values on, it is what they are; what does not fit is told by the draft that reads them so.
const NEARLY_ALL: f64 = 0.9;

/// The column that holds a whole document.
const DOCUMENT: &str = "_doc";
/// The column of a document's own `_id`, without its wrapper.
const DOC_ID: &str = "_doc_id";

/// Looks at every source that is loaded.
///
/// # Errors
/// A source that is not in the staging file, or DuckDB failing.
pub fn run(options: &Options<'_>) -> Result<Report> {
    let staging = options.staging;
    let loaded: Vec<String> =
        staging.rows("select source from meta.source where number > 0 order by source", |row| row.get(0))?;
    for name in &options.only {
        if !loaded.contains(name) {
            let near = near(name, &loaded);
            return Err(Failure::usage(t!("profile.no_source", source = name, near = near))
                .hint(format!("trasvase load {}", options.clinic.name))
                .into());
        }
    }
    let wanted = |name: &&String| options.only.is_empty() || options.only.contains(name);
    let mut sources = Vec::new();
    for name in loaded.iter().filter(wanted) {
        interrupt::check()?;
        sources.push(source(options, name)?);
    }
    let references = keys::references(staging, &sources)?;
    Ok(Report { clinic: options.clinic.name.clone(), sources, references })
}

fn source(options: &Options<'_>, name: &str) -> Result<SourceProfile> {
    let staging = options.staging;
    let names: Vec<String> = staging.rows(
        &format!(
            "select column_name from duckdb_columns() where schema_name = 'raw' and table_name = {} order by column_index",
            literal(name)
        ),
        |row| row.get(0),
    )?;
    let table = format!("raw.{}", quoted(name));
    let rows: u64 = staging.value(&format!("select count(*)::ubigint from {table}"))?;
    let documents = match names.iter().any(|name| name == DOCUMENT) {
        true => Some(document::look(staging, &table)?),
        false => None,
    };
    // Where the names of documents' fields are data, so are those of the columns.
    let has_names = documents.as_ref().is_none_or(|one| !one.names_are_data);
    let is_shown = |name: &&String| match name.as_str() {
        DOC_ID => documents.is_some(),
        name => has_names && !name.starts_with('_'),
    };
    let is_sqlite: bool = staging.value(&format!(
        "select count(*) > 0 from meta.source_file where dialect ->> 'format' = 'sqlite' and source = {}",
        literal(name)
    ))?;
    let (mut columns, mut sqlite_instants) = (Vec::new(), Vec::new());
    for column in names.iter().filter(is_shown) {
        interrupt::check()?;
        let mut looks = column::look(staging, &table, column, options.show_values)?;
        if is_sqlite && sqlite::look_for_instants(staging, &table, &mut looks)? {
            sqlite_instants.push(column.clone());
        }
        columns.push(looks);
    }
    let is_unread = |name: &&String| {
        documents.is_none() && name.starts_with('_') && !["_id", "_file", "_row"].contains(&name.as_str())
    };
    let unread = names.iter().filter(is_unread).cloned().collect();
    let keys = keys::candidates(staging, &table, rows, &columns)?;
    let paths = documents.map(|one| one.paths).unwrap_or_default();
    Ok(SourceProfile { source: name.to_owned(), rows, columns, keys, paths, sqlite_instants, unread })
}
