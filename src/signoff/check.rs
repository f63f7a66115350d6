//! Whether what was signed is what is there: line by line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::document::seal_of;
use super::{Document, path};
use crate::config::{Clinic, Project};
use crate::model::manifest::SourceFile;
use crate::model::proof::{Held, Proof, ProvenTable};
use crate::pg::batches::Batch;
use crate::snapshot::{Snapshot, hash_file};
use crate::sources::{self, packed};

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The document's own seal.
    Seal,
    /// The ledger's copy.
    Ledger,
    Batch,
    /// The manifest, or a file of the snapshot.
    Snapshot,
    Source,
    Report,
    /// A table of the target.
    Table,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Holds,
    /// It is something else now.
    Changed,
    /// It is not there any more.
    Gone,
    /// The ledger does not know it.
    Unknown,
    /// The batch was taken back.
    RolledBack,
    /// People changed or deleted rows since.
    Edited,
    /// A later batch wrote rows of it, and perhaps people did too.
    Later,
    /// A purge destroyed it, and its list names it as it was signed.
    Purged,
    /// It could not be compared.
    NotCompared,
}

#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub what: What,
    pub name: String,
    pub state: State,
    /// Rows that differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Whether it is as it was signed, for all that can be said.
    pub holds: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub batch: String,
    pub by: String,
    pub at: String,
    pub seal: String,
    pub lines: Vec<Line>,
    /// Batches that were pushed since.
    pub later: Vec<String>,
    /// Why the target was not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<String>,
}

impl Report {
    /// Something is not what was signed.
    pub fn broken(&self) -> bool {
        self.lines.iter().any(|line| !line.holds && line.state != State::NotCompared)
    }

    /// Something could not be compared.
    pub fn unsure(&self) -> bool {
        self.lines.iter().any(|line| line.state == State::NotCompared)
    }
}

/// What a check looks at.
pub struct Here<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub batch: &'a Batch,
    /// Every batch of the clinic, the oldest first.
    pub batches: &'a [Batch],
    /// The document as the ledger has it.
    pub recorded: Option<String>,
    /// The files that purges destroyed, below the project, with their hashes.
    pub purged: BTreeMap<String, String>,
    /// What the target holds now, or why that is not known.
    pub target: Result<Target, String>,
}

/// What the target's tables hold.
pub enum Target {
    /// Compared with the snapshot's rows, so that it is known how they differ.
    Proven(Proof),
    /// Only counted and digested, since there is no snapshot any more.
    Held(Vec<Held>),
}

/// Compares everything that was sealed with what is there. None where neither a file nor the ledger has the sign-off.
///
/// # Errors
/// A file that is there cannot be read.
pub fn check(here: &Here<'_>) -> Result<Option<Report>> {
    let file = path(here.project, here.clinic, &here.batch.id);
    let text = std::fs::read_to_string(&file).ok();
    let recorded = here.recorded.as_deref().and_then(parsed);
    let written = text.as_deref().and_then(parsed);
    let Some((_, document)) = recorded.as_ref().or(written.as_ref()) else { return Ok(None) };
    let shown = crate::config::shown(here.project, &file);
    let mut lines = vec![
        line(What::Seal, &shown, seal_state(text.as_deref(), written.as_ref())),
        line(What::Ledger, "trasvase.signoff", ledger_state(here, text.as_deref(), recorded.as_ref())),
        line(What::Batch, &document.batch, batch_state(here.batch)),
    ];
    lines.extend(snapshot(here, document)?);
    for one in &document.sources {
        for file in &one.files {
            let path = here.project.source_path(&here.clinic.name, &file.name);
            lines.push(line(What::Source, &file.name, source_state(path, file)?));
        }
    }
    for file in &document.report {
        lines.push(line(What::Report, &file.name, file_state(&here.project.root().join(&file.name), file)?));
    }
    for one in lines.iter_mut().filter(|one| one.state == State::Gone) {
        let path = match one.what {
            What::Snapshot => {
                here.project.snapshots_dir(&here.clinic.name).join(&document.snapshot).join(&one.name)
            }
            What::Report => here.project.root().join(&one.name),
            _ => continue,
        };
        let sealed = document.files.iter().chain(&document.report).find(|file| file.name == one.name);
        let listed = here.purged.get(&crate::config::shown(here.project, &path));
        // The manifest is known by its copy, which hashes to the snapshot's id.
        if listed.is_some_and(|hash| sealed.is_none_or(|sealed| sealed.sha256 == *hash)) {
            *one = line(one.what, &one.name, State::Purged);
        }
    }
    lines.extend(tables(here, document));
    Ok(Some(Report {
        batch: document.batch.clone(),
        by: document.by.clone(),
        at: document.at.clone(),
        seal: document.seal.clone(),
        lines,
        later: later(here).map(|one| one.id.clone()).collect(),
        not_compared: here.target.as_ref().err().cloned(),
    }))
}

fn parsed(text: &str) -> Option<(Value, Document)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let document = serde_json::from_value(value.clone()).ok()?;
    Some((value, document))
}

fn line(what: What, name: &str, state: State) -> Line {
    // A source or a report that was put away is no proof of anything.
    let put_away = state == State::Gone && matches!(what, What::Source | What::Report);
    let holds = put_away || matches!(state, State::Holds | State::Purged);
    Line { what, name: name.to_owned(), state, rows: None, holds }
}

/// The seal is over the file as it is, so that a key that we do not know is not overlooked.
fn seal_state(text: Option<&str>, written: Option<&(Value, Document)>) -> State {
    match (text, written) {
        (None, _) => State::Gone,
        (Some(_), None) => State::Changed,
        (Some(_), Some((value, document))) => match seal_of(value.clone()) {
            Ok(seal) if seal == document.seal => State::Holds,
            _ => State::Changed,
        },
    }
}

/// A document that was changed and sealed anew differs from the ledger's.
fn ledger_state(here: &Here<'_>, text: Option<&str>, recorded: Option<&(Value, Document)>) -> State {
    let Some(signed) = &here.batch.signed else { return State::Unknown };
    let whole = recorded.is_some_and(|(value, document)| {
        document.seal == signed.seal
            && seal_of(value.clone()).is_ok_and(|seal| seal == signed.seal)
            && (document.by.as_str(), document.at.as_str()) == (signed.by.as_str(), signed.at.as_str())
    });
    let same = text.is_none_or(|text| Some(text) == here.recorded.as_deref());
    if whole && same { State::Holds } else { State::Changed }
}

fn batch_state(batch: &Batch) -> State {
    match batch.status.as_str() {
        "completed" => State::Holds,
        "rolled_back" => State::RolledBack,
        _ => State::Changed,
    }
}

/// The manifest by its id, and every file by its hash.
fn snapshot(here: &Here<'_>, document: &Document) -> Result<Vec<Line>> {
    let folder = here.project.snapshots_dir(&here.clinic.name).join(&document.snapshot);
    let manifest = folder.join("manifest.json");
    let state = match (manifest.is_file(), Snapshot::open(&folder)) {
        (false, _) => State::Gone,
        (true, Ok(found)) if found.id() == document.snapshot => State::Holds,
        (true, _) => State::Changed,
    };
    let mut lines = vec![line(What::Snapshot, "manifest.json", state)];
    for file in &document.files {
        lines.push(line(What::Snapshot, &file.name, file_state(&folder.join(&file.name), file)?));
    }
    Ok(lines)
}

/// Of a file in an archive, the archive's; of a folder of attachments, that of its files.
fn source_state(path: PathBuf, sealed: &SourceFile) -> Result<State> {
    if !path.is_dir() {
        return file_state(packed::archive(&path), sealed);
    }
    let folder = sources::SourceFile { path, shown: sealed.name.clone() };
    let same = sources::survey(&folder)?.fingerprint.sha256 == sealed.sha256;
    Ok(if same { State::Holds } else { State::Changed })
}

fn file_state(path: &Path, sealed: &SourceFile) -> Result<State> {
    if !path.is_file() {
        return Ok(State::Gone);
    }
    let same = hash_file(path)? == (sealed.sha256.clone(), sealed.bytes);
    Ok(if same { State::Holds } else { State::Changed })
}

/// The target's tables: rows that people changed since are told from others.
fn tables(here: &Here<'_>, document: &Document) -> Vec<Line> {
    let one = |sealed: &super::SealedTable| {
        let name = sealed.table.to_string();
        let proven = match &here.target {
            Ok(Target::Proven(proof)) => proof.tables.iter().find(|one| one.table == sealed.table),
            Ok(Target::Held(held)) => {
                let held = held.iter().find(|one| one.table == sealed.table);
                let same = |one: &Held| one.digest == sealed.digest && one.rows == sealed.rows;
                let state =
                    held.map_or(State::Gone, |one| if same(one) { State::Holds } else { State::Changed });
                return line(What::Table, &name, state);
            }
            Err(_) => return line(What::Table, &name, State::NotCompared),
        };
        match proven {
            None => line(What::Table, &name, State::Gone),
            Some(one) if one.target_digest == sealed.digest && one.target == sealed.rows => {
                line(What::Table, &name, State::Holds)
            }
            Some(one) => {
                let (state, rows) = differing(one, document);
                let state = if written_since(here, &name) { State::Later } else { state };
                Line { rows: Some(rows), ..line(What::Table, &name, state) }
            }
        }
    };
    document.tables.iter().map(one).collect()
}

/// The batches that were pushed since, and stand.
fn later<'h>(here: &'h Here<'_>) -> impl Iterator<Item = &'h Batch> {
    here.batches.iter().filter(|one| one.number > here.batch.number && one.status == "completed")
}

/// Whether a later batch that stands wrote rows of the table.
fn written_since(here: &Here<'_>, table: &str) -> bool {
    let counts = later(here).filter_map(|one| one.counts[table].as_object());
    counts.flat_map(|counts| counts.iter()).any(|(kind, rows)| {
        ["inserted", "updated", "deleted", "repointed", "retired"].contains(&kind.as_str())
            && rows.as_u64() > Some(0)
    })
}

/// What differs beyond what was accepted when it was signed.
fn differing(one: &ProvenTable, document: &Document) -> (State, u64) {
    let of = |later: bool| {
        let counts = one.counts.iter().filter(move |count| count.is_later() == later);
        counts.map(|count| count.rows).sum::<u64>()
    };
    let sealed: u64 = document
        .accepted
        .iter()
        .filter(|accepted| accepted.subject == one.table.to_string())
        .filter(|accepted| {
            !["_edited", "_deleted", "_conflict"].iter().any(|end| accepted.rule.ends_with(end))
        })
        .map(|accepted| accepted.count)
        .sum();
    let others = of(false).saturating_sub(sealed);
    match (of(true), others) {
        (later, 0) if later > 0 => (State::Edited, later),
        (later, others) => (State::Changed, later + others),
    }
}
