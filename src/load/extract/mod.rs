//! Live sources are written to files below `staging/<clinic>/extracts/` first, which are then loaded, counted and kept as
//! any other file is.
//!
//! All sources of one connection string are asked at once, so that they show one moment where the server can do that. An
//! extract takes its place only when all of them are whole. A source with a cursor has one file for each delivery: the
//! first is the whole, each later one the records whose cursor had grown beyond what was loaded.

mod mongodb;
mod postgres;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::books::Known;
use super::survey::Asked;
use super::{Options, deliveries};
use crate::config::{Clinic, Project, SourceConfig, shown};
use crate::error::{Cause, Failure, interrupt};
use crate::model::run::{Event, Observer, Stage};
use crate::model::{file_name, private};
use crate::pg::{Secret, variable};
use crate::sources::SourceFile;
use crate::staging::private_folder;

/// A live source that is asked.
pub(super) struct Wanted<'a> {
    pub(super) source: &'a str,
    pub(super) config: &'a SourceConfig,
    /// Only records whose cursor is greater than this, as the source itself writes it.
    pub(super) since: Option<String>,
    /// So many records with that very cursor, or without one, are in `raw`; of a MongoDB see `there`.
    pub(super) held: u64,
    /// Digests of the documents with that very cursor, or without one, that are in `raw`: a MongoDB is asked for all with it.
    pub(super) there: HashSet<[u8; 32]>,
    /// The file to write, by [`create`]; it takes its place once all of its database's are whole.
    pub(super) path: PathBuf,
}

/// What asking a source came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extracted {
    /// So many records are in the file.
    Records(u64),
    /// There is no such thing in the database, which clinic.toml allows (`optional_columns`).
    Missing,
}

/// A database whose variable is set.
struct Database<'a> {
    variable: &'a str,
    url: Secret,
    kind: Kind,
    /// Places of its sources among those that are asked for.
    places: Vec<usize>,
}

/// What speaks at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    MongoDb,
}

impl Kind {
    /// Told by the connection string's beginning; `host=... dbname=...` is PostgreSQL's too.
    fn of(url: &Secret) -> Self {
        let begins = |scheme: &str| url.expose().trim_start().starts_with(scheme);
        if begins("mongodb://") || begins("mongodb+srv://") { Kind::MongoDb } else { Kind::Postgres }
    }

    /// The end of its extracts' names.
    fn extension(self) -> &'static str {
        match self {
            Kind::Postgres => "pgcopy",
            Kind::MongoDb => "bson",
        }
    }

    /// What clinic.toml names of it that it does not have.
    fn lacks(self, config: &SourceConfig) -> Option<&'static str> {
        match self {
            Kind::Postgres => config.collection.as_ref().map(|_| "collection"),
            Kind::MongoDb if config.table.is_some() => Some("table"),
            Kind::MongoDb => config.query.as_ref().map(|_| "query"),
        }
    }

    fn extract(
        self,
        (variable, url): (&str, &Secret),
        wanted: &[Wanted<'_>],
        observer: &dyn Observer,
    ) -> Result<Vec<Extracted>> {
        match self {
            Kind::Postgres => postgres::extract((variable, url), wanted, observer),
            Kind::MongoDb => mongodb::extract((variable, url), wanted, observer),
        }
    }
}

/// Asks all live sources, and gives each its extracts as files.
///
/// # Errors
/// A variable that is not set, a source that its database cannot have, then whatever the database says. Extracts of
/// databases that were asked before stay.
pub(super) fn all(
    options: &Options<'_>,
    asked: &mut [Asked<'_>],
    known: &BTreeMap<String, Known>,
    observer: &dyn Observer,
) -> Result<()> {
    for database in databases(options, asked)? {
        interrupt::check()?;
        let wanted = database
            .places
            .iter()
            .map(|place| wanted(options, &asked[*place], known, database.kind))
            .collect::<Result<Vec<_>>>()?;
        for one in &wanted {
            let text = t!("load.note.extracting", source = one.source, variable = database.variable);
            observer.event(&Event::Note { stage: Stage::Load, text: &text });
        }
        let answers = database.kind.extract((database.variable, &database.url), &wanted, observer)?;
        let kept = wanted
            .iter()
            .zip(answers)
            .map(|(one, answer)| keep(options.project, one, answer, database.kind))
            .collect::<Result<Vec<_>>>()?;
        for (place, files) in database.places.into_iter().zip(kept) {
            asked[place].files = files;
        }
    }
    Ok(())
}

/// The extracts that are there from earlier loads: nothing is asked.
pub(super) fn earlier(options: &Options<'_>, asked: &mut [Asked<'_>]) -> Result<()> {
    for one in asked.iter_mut().filter(|one| one.config.url.is_some()) {
        one.files = there(options.project, &folder(options, one.name))?;
    }
    Ok(())
}

/// Makes an extract's file, which only its owner can read.
pub(super) fn create(path: &Path) -> Result<File> {
    private::create(path).with_context(|| t!("staging.cannot_write", path = path.display()))
}

/// Refuses a source whose variable is not set, before any is asked.
///
/// # Errors
/// The first such variable, with its source.
pub(super) fn ready(project: &Project, clinic: &Clinic, only: &[String]) -> Result<()> {
    let wanted = clinic.sources.iter().filter(|(name, _)| only.is_empty() || only.contains(name));
    for (source, config) in wanted {
        if let Some(name) = &config.url
            && variable(project, name)?.is_none()
        {
            return Err(no_url(source, name).into());
        }
    }
    Ok(())
}

fn no_url(source: &str, name: &str) -> Failure {
    Failure::usage(t!("load.no_url", source = source, variable = name))
        .hint(t!("load.no_url_hint", variable = name))
        .cause(Cause::Variable)
}

fn databases<'a>(options: &Options<'_>, asked: &[Asked<'a>]) -> Result<Vec<Database<'a>>> {
    let mut databases: Vec<Database<'a>> = Vec::new();
    for (place, one) in asked.iter().enumerate() {
        let Some(name) = one.config.url.as_deref() else { continue };
        let at = match databases.iter().position(|database| database.variable == name) {
            Some(at) => at,
            None => {
                let url = variable(options.project, name)?.ok_or_else(|| no_url(one.name, name))?;
                let kind = Kind::of(&url);
                databases.push(Database { variable: name, url, kind, places: Vec::new() });
                databases.len() - 1
            }
        };
        if let Some(what) = databases[at].kind.lacks(one.config) {
            return Err(Failure::usage(t!("load.url_kind", source = one.name, variable = name, what = what))
                .hint(t!("load.url_kind_hint"))
                .into());
        }
        databases[at].places.push(place);
    }
    Ok(databases)
}

fn wanted<'a>(
    options: &Options<'_>,
    asked: &Asked<'a>,
    known: &BTreeMap<String, Known>,
    kind: Kind,
) -> Result<Wanted<'a>> {
    let folder = folder(options, asked.name);
    private_folder(&folder)?;
    let delivered = match (known.get(asked.name), &asked.config.cursor) {
        (Some(known), Some(cursor)) if options.incremental && known.has_table => {
            if known.options_hash != asked.options_hash {
                return Err(deliveries::other_settings(options.clinic, asked.name).into());
            }
            forget_unloaded(options.project, &folder, known)?;
            deliveries::greatest(options.staging, asked.name, cursor)?.map(|since| (since, known))
        }
        _ => None,
    };
    let number = delivered.as_ref().map_or(1, |(_, known)| next_number(known));
    let path = folder.join(format!("{number:04}.partial"));
    let since = delivered.map(|(since, _)| since);
    let (mut held, mut there) = (0, HashSet::new());
    if let (Some(since), Some(cursor)) = (&since, &asked.config.cursor) {
        match kind {
            Kind::Postgres => held = deliveries::held_at(options.staging, asked.name, cursor, since)?,
            Kind::MongoDb => there = deliveries::greatest_documents(options.staging, asked.name, cursor)?,
        }
    }
    Ok(Wanted { source: asked.name, config: asked.config, since, held, there, path })
}

/// An extract whose load failed would be loaded beside the next one, which holds its records again.
fn forget_unloaded(project: &Project, folder: &Path, known: &Known) -> Result<()> {
    for file in there(project, folder)? {
        if !known.files.iter().any(|one| one.path == file.shown) {
            remove(&file.path)?;
        }
    }
    Ok(())
}

fn next_number(known: &Known) -> u64 {
    let number = |path: &str| Path::new(path).file_stem()?.to_str()?.parse::<u64>().ok();
    known.files.iter().filter_map(|file| number(&file.path)).max().unwrap_or(0) + 1
}

/// Puts an extract in its place, and gives the source's files as they are then.
fn keep(project: &Project, wanted: &Wanted<'_>, answer: Extracted, kind: Kind) -> Result<Vec<SourceFile>> {
    let folder = wanted.path.parent().context("an extract has a folder")?;
    let place = wanted.path.with_extension(kind.extension());
    match answer {
        Extracted::Records(0) if wanted.since.is_some() => remove(&wanted.path)?,
        Extracted::Records(_) => {
            let cannot = || t!("staging.cannot_write", path = place.display());
            File::open(&wanted.path).and_then(|file| file.sync_all()).with_context(cannot)?;
            fs::rename(&wanted.path, &place).with_context(cannot)?;
        }
        Extracted::Missing => {}
    }
    if wanted.since.is_none() {
        for file in there(project, folder)? {
            if answer == Extracted::Missing || file.path != place {
                remove(&file.path)?;
            }
        }
    }
    there(project, folder)
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| t!("staging.cannot_write", path = path.display()))
}

/// A source's extracts in the order of their numbers.
fn there(project: &Project, folder: &Path) -> Result<Vec<SourceFile>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end != "partial") {
            found.push(SourceFile { shown: shown(project, &path), path });
        }
    }
    found.sort();
    Ok(found)
}

fn folder(options: &Options<'_>, source: &str) -> PathBuf {
    options.project.extracts_dir(&options.clinic.name).join(file_name(source))
}
