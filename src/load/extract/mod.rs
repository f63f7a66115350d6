//! Live sources are written to files below `staging/<clinic>/extracts/` first, which are then loaded, counted and kept as
//! any other file is.
//!
//! All sources of one connection string are asked at once, so that they show one moment where the server can do that. An
//! extract takes its place only when all of them are whole. Where all of them will be read whatever they hold, they are read
//! while they are written ([`stream`]). A source with a cursor has one file for each delivery: the
//! first is the whole, each later one the records whose cursor had grown beyond what was loaded.

mod mongodb;
mod postgres;
mod stream;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;

use anyhow::{Context as _, Result};
use rust_i18n::t;

pub(super) use self::stream::Stream;

use self::stream::Guard;
use super::books::Known;
use super::survey::Asked;
use super::{Options, cursor, deliveries};
use crate::config::{Clinic, Project, SourceConfig, shown};
use crate::error::{Cause, Failure, interrupt};
use crate::model::run::{Event, Observer, Stage};
use crate::model::{file_name, private};
use crate::pg::{Secret, variable};
use crate::sources::copied::Flow;
use crate::sources::{SourceFile, Survey};
use crate::staging::private_folder;

/// A live source that is asked.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) source: String,
    pub(super) config: SourceConfig,
    /// Only records whose cursor is greater than this, as the source itself writes it.
    pub(super) since: Option<String>,
    /// So many records with that very cursor, or without one, are in `raw`; of a MongoDB see `there`.
    pub(super) held: u64,
    /// Digests of the documents with that very cursor, or without one, that are in `raw`, and of those with texts from
    /// `text_from` on: a MongoDB is asked for all with it.
    pub(super) there: HashSet<[u8; 32]>,
    /// Of documents whose cursor is a text those from this one on are asked for; all, where there are none in `raw`.
    pub(super) text_from: Option<String>,
    /// The file to write, by [`create`]; it takes its place once all of its database's are whole.
    pub(super) path: PathBuf,
    /// Of that file.
    pub(super) flow: Arc<Flow>,
    /// It will be read, whatever it holds.
    is_awaited: bool,
}

/// What asking a source came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extracted {
    /// So many records are in the file.
    Records(u64),
    /// There is no such thing in the database, which clinic.toml allows (`optional_columns`).
    Missing,
}

/// What a database says before the first row is asked for.
pub(super) struct Answer {
    extracted: Vec<Extracted>,
    /// Why one session does it all, where several would.
    alone: Option<String>,
}

/// Removes what was written of extracts that never took their places: it is patients' data that nobody needs.
struct Unfinished(Vec<PathBuf>);

impl Unfinished {
    fn of(wanted: &[Wanted]) -> Self {
        Self(wanted.iter().map(|one| one.path.clone()).collect())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for path in &self.0 {
            // Of those that took their places there is none; the next load would write over any other.
            let _ = fs::remove_file(path);
        }
    }
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
}

/// Asks all live sources, and gives each its extracts as files; those of the streams are still written.
///
/// # Errors
/// A variable that is not set, a source that its database cannot have, then whatever the database says. Extracts of
/// databases that were asked before stay.
pub(super) fn all(
    options: &Options<'_>,
    asked: &mut [Asked<'_>],
    known: &BTreeMap<String, Known>,
    observer: &dyn Observer,
) -> Result<Vec<Stream>> {
    let mut streams = Vec::new();
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
        match database.kind {
            Kind::Postgres => streams.extend(from_postgres(options, asked, &database, (&wanted, observer))?),
            Kind::MongoDb => {
                let _unfinished = Unfinished::of(&wanted);
                let answers = mongodb::extract((database.variable, &database.url), &wanted, observer)?;
                for ((one, answer), place) in wanted.iter().zip(answers).zip(&database.places) {
                    keep(one, answer, database.kind)?;
                    asked[*place].files = there(options.project, &folder(options, &one.source))?;
                }
            }
        }
    }
    Ok(streams)
}

/// Asks a PostgreSQL. Where all is read anyway, only until it has said what there is.
fn from_postgres(
    options: &Options<'_>,
    asked: &mut [Asked<'_>],
    database: &Database<'_>,
    (wanted, observer): (&[Wanted], &dyn Observer),
) -> Result<Option<Stream>> {
    let (variable, url, asking) = (database.variable.to_owned(), database.url.clone(), wanted.to_vec());
    let (sender, answers) = mpsc::channel();
    let mut stream = Stream::begin(move |stop| {
        let _unfinished = Unfinished::of(&asking);
        let guard = Guard(asking.iter().map(|one| Arc::clone(&one.flow)).collect());
        let mut answers = Vec::new();
        let told = |given: Answer| {
            answers.clone_from(&given.extracted);
            // Nobody may wait for it any more.
            let _ = sender.send(given);
        };
        let fingerprints = postgres::extract((&variable, &url), &asking, &stop, told)?;
        for (one, answer) in asking.iter().zip(&answers) {
            keep(one, *answer, Kind::Postgres)?;
        }
        for (flow, fingerprint) in guard.0.iter().zip(&fingerprints) {
            if let Some(fingerprint) = fingerprint {
                flow.kept(fingerprint.clone());
            }
        }
        Ok(fingerprints)
    });
    let Ok(Answer { extracted, alone }) = answers.recv() else {
        // It ended before it could say anything.
        return stream.wait().map(|_| None);
    };
    if let Some(cause) = alone {
        let text = t!("load.pg.alone", variable = database.variable, cause = cause);
        observer.event(&Event::Note { stage: Stage::Load, text: &text });
    }
    if wanted.iter().all(|one| one.is_awaited) {
        for ((one, answer), place) in wanted.iter().zip(extracted).zip(&database.places) {
            let file = extract_file(options.project, one.path.with_extension(Kind::Postgres.extension()));
            let survey = Survey::flowing(&one.flow);
            asked[*place].files = if answer == Extracted::Missing { Vec::new() } else { vec![file.clone()] };
            asked[*place].extract = Some((file, survey));
        }
        return Ok(Some(stream));
    }
    let fingerprints = stream.wait()?;
    for ((one, fingerprint), place) in wanted.iter().zip(fingerprints).zip(&database.places) {
        let file = extract_file(options.project, one.path.with_extension(Kind::Postgres.extension()));
        asked[*place].files = there(options.project, &folder(options, &one.source))?;
        asked[*place].extract =
            fingerprint.map(|fingerprint| (file.clone(), Survey::of_extract(&file, fingerprint)));
    }
    Ok(None)
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

fn wanted(
    options: &Options<'_>,
    asked: &Asked<'_>,
    known: &BTreeMap<String, Known>,
    kind: Kind,
) -> Result<Wanted> {
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
    let (mut held, mut there, mut text_from) = (0, HashSet::new(), None);
    if let (Some(since), Some(cursor)) = (&since, &asked.config.cursor) {
        match kind {
            Kind::Postgres => held = deliveries::held_at(options.staging, asked.name, cursor, since)?,
            Kind::MongoDb => {
                text_from = cursor::text_from(options.staging, asked.name, cursor)?;
                let from = text_from.as_deref();
                there = deliveries::greatest_documents(options.staging, asked.name, cursor, from)?;
            }
        }
    }
    let same = |known: &Known| known.has_table && known.options_hash == asked.options_hash;
    let is_awaited = !options.incremental && (options.force || !known.get(asked.name).is_some_and(same));
    Ok(Wanted {
        source: asked.name.to_owned(),
        config: asked.config.clone(),
        since,
        held,
        there,
        text_from,
        flow: Flow::new(&path),
        path,
        is_awaited,
    })
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

/// Puts an extract in its place.
fn keep(wanted: &Wanted, answer: Extracted, kind: Kind) -> Result<()> {
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
        for path in extracts(folder)? {
            if answer == Extracted::Missing || path != place {
                remove(&path)?;
            }
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| t!("staging.cannot_write", path = path.display()))
}

/// A source's extracts in the order of their numbers.
fn there(project: &Project, folder: &Path) -> Result<Vec<SourceFile>> {
    Ok(extracts(folder)?.into_iter().map(|path| extract_file(project, path)).collect())
}

fn extract_file(project: &Project, path: PathBuf) -> SourceFile {
    SourceFile { shown: shown(project, &path), path }
}

fn extracts(folder: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end != "partial") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn folder(options: &Options<'_>, source: &str) -> PathBuf {
    options.project.extracts_dir(&options.clinic.name).join(file_name(source))
}
