//! Sources to `raw`: every record of every source is in `raw.<source>`, or in `meta.load_error` with its line or cell.
//!
//! What a live source holds is written to files first (`extract`), and databases are copied (`copies`). Files are found and
//! hashed (`survey`), compared with what was loaded last ([`plan`]), and each source that differs is unpacked (`unpack`),
//! read into a table beside its old one, counted a second time by other means, and swapped in, in one transaction
//! (`table`). A source that fails leaves everything of it as it was.

mod append;
mod books;
mod copies;
mod cursor;
mod deliveries;
mod extract;
mod header;
mod plan;
mod survey;
mod table;
mod unpack;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;

pub use self::deliveries::FAR_AHEAD;
pub use self::plan::{Plan, Reason, Step};

use self::copies::Copies;
use self::extract::Stream;
use self::survey::Surveyed;
use crate::config::{Clinic, Project};
use crate::error::interrupt;
use crate::model::run::{Event, Observer, Stage};
use crate::sources::{Dialect, Finding};
use crate::staging::Staging;

/// What to load.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub staging: &'a Staging,
    /// Source names; empty for all.
    pub only: Vec<String>,
    /// Reads sources again that did not change.
    pub force: bool,
    /// Of sources with a cursor only files that are new are read, and laid over what is there.
    pub incremental: bool,
}

/// What was done.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub sources: Vec<SourceReport>,
    /// Sources that are no longer in clinic.toml, whose tables were dropped.
    pub removed: Vec<String>,
    /// Files in the clinic's `sources/` that no section of clinic.toml names, and tables of databases that none reads:
    /// nothing of them is loaded.
    pub unnamed: Vec<String>,
}

impl Report {
    /// Nothing was written, because nothing changed.
    pub fn unchanged(&self) -> bool {
        self.removed.is_empty() && self.sources.iter().all(|source| source.unchanged)
    }

    pub fn rows(&self) -> u64 {
        self.sources.iter().map(|source| source.rows).sum()
    }

    pub fn refused(&self) -> u64 {
        self.sources.iter().map(|source| source.refused).sum()
    }

    /// Cells that gave no value.
    pub fn cells(&self) -> u64 {
        self.sources.iter().flat_map(|source| &source.files).map(|file| file.cells).sum()
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct SourceReport {
    pub name: String,
    /// The top part of its rows' `_id`.
    pub number: u64,
    pub files: Vec<FileReport>,
    pub columns: Vec<String>,
    /// Records in `raw`.
    pub rows: u64,
    /// Records in `meta.load_error`.
    pub refused: u64,
    /// Records in `meta.superseded`: later ones with their keys took their places.
    pub superseded: u64,
    /// It was not read again.
    pub unchanged: bool,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, Serialize)]
pub struct FileReport {
    /// Relative to the clinic's folder.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
    pub dialect: Dialect,
    /// The dialect that the next load expects.
    #[serde(skip)]
    pub frozen: Dialect,
    pub loaded: u64,
    pub refused: u64,
    /// Cells in `meta.load_error`: their records are in `raw`, with null in their place.
    pub cells: u64,
    /// Records by an independent count; always `loaded + refused`.
    pub counted: u64,
}

/// Refuses what cannot be asked, before anything is opened.
///
/// # Errors
/// A live source's variable is not set.
pub fn ready(project: &Project, clinic: &Clinic, only: &[String]) -> Result<()> {
    extract::ready(project, clinic, only)
}

/// Says which sources would be read, and why. Reads the files (to hash them), asks no live source and writes nothing.
///
/// # Errors
/// Options of a source that cannot be, a file that is missing, empty, a folder, or no file of a known kind.
pub fn plan(options: &Options<'_>) -> Result<Plan> {
    Ok(prepare(options, None)?.plan)
}

/// Loads what the plan says.
///
/// # Errors
/// As [`plan`], then the first source that fails; those before it stay loaded, it and those after it are as they were.
pub fn run(options: &Options<'_>, observer: &dyn Observer) -> Result<Report> {
    let Prepared { surveyed, known, plan, mut streams } = prepare(options, Some(observer))?;
    let staging = options.staging;
    books::release_numbers(staging, &plan)?;
    for name in &plan.removed {
        books::remove(staging, name)?;
        observer.event(&Event::Note { stage: Stage::Load, text: &t!("load.note.removed", source = name) });
    }
    let read = read(options, &surveyed, &known, &plan, observer);
    // Where an extract broke off, its database says why.
    let sources = match read {
        Ok(sources) => sources,
        Err(error) => return Err(broken_off(&surveyed, &mut streams).unwrap_or(error)),
    };
    for stream in &mut streams {
        stream.wait()?;
    }
    Ok(Report { sources, removed: plan.removed, unnamed: plan.unnamed })
}

fn read(
    options: &Options<'_>,
    surveyed: &[Surveyed],
    known: &BTreeMap<String, books::Known>,
    plan: &Plan,
    observer: &dyn Observer,
) -> Result<Vec<SourceReport>> {
    let staging = options.staging;
    let mut sources = Vec::new();
    for (done, (step, source)) in plan.steps.iter().zip(surveyed).enumerate() {
        interrupt::check()?;
        let report = match step.reason {
            None => {
                let text = t!("load.note.unchanged", source = step.source);
                observer.event(&Event::Note { stage: Stage::Load, text: &text });
                books::report(staging, &step.source)
            }
            Some(reason) => {
                if options.incremental && source.config.cursor.is_none() {
                    let text = t!("load.note.no_cursor", source = step.source);
                    observer.event(&Event::Note { stage: Stage::Load, text: &text });
                }
                table::load(options, source, known.get(&step.source), reason, observer)
            }
        };
        let all = plan.steps.len();
        sources.push(
            report.with_context(|| t!("load.source_failed", source = step.source, done = done, all = all))?,
        );
    }
    Ok(sources)
}

/// Why a stream ended that was to give an extract, if one did.
fn broken_off(surveyed: &[Surveyed], streams: &mut [Stream]) -> Option<anyhow::Error> {
    let is_broken = surveyed.iter().flat_map(|source| &source.parts).any(|(_, survey)| survey.broke_off());
    streams.iter_mut().filter(|_| is_broken).find_map(|stream| stream.wait().err())
}

struct Prepared {
    surveyed: Vec<Surveyed>,
    known: BTreeMap<String, books::Known>,
    plan: Plan,
    /// Databases that are still asked.
    streams: Vec<Stream>,
}

/// Live sources are asked where somebody listens.
fn prepare(options: &Options<'_>, observer: Option<&dyn Observer>) -> Result<Prepared> {
    let (folder, mut asked) = survey::find(options)?;
    let known = books::known(options.staging)?;
    let mut streams = Vec::new();
    match observer {
        Some(observer) => streams = extract::all(options, &mut asked, &known, observer)?,
        None => extract::earlier(options, &mut asked)?,
    }
    let mut copies = Copies::new(options, observer.is_some())?;
    copies.take(&mut asked)?;
    let surveyed = survey::all(asked)?;
    let found = surveyed.iter().map(Surveyed::found).collect::<Vec<_>>();
    let configured = options.clinic.sources.keys().map(String::as_str).collect::<Vec<_>>();
    let mut unnamed = folder.unnamed(&options.clinic.sources);
    if options.only.is_empty() {
        unnamed.extend(survey::unread(&surveyed));
    }
    let mut plan = plan::decide(&found, &known, &configured, unnamed, options.force);
    for (step, source) in plan.steps.iter_mut().zip(&surveyed) {
        let known = known.get(&step.source);
        match options.incremental {
            true => step.reason = deliveries::reason(options.clinic, source, known, step)?,
            false if options.force => {}
            false => deliveries::all_there(options.clinic, source, known)?,
        }
        if observer.is_none() && source.config.url.is_some() {
            step.reason = step.reason.or(Some(Reason::Live));
        }
    }
    Ok(Prepared { surveyed, known, plan, streams })
}
