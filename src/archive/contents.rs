//! What belongs into the archive of a snapshot, with the hash of each file.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;

use super::git::{self, Git};
use super::{Options, parquet};
use crate::config::Project;
use crate::error::{Failure, interrupt};
use crate::model::ident::ClinicName;
use crate::model::manifest::SourceFile;
use crate::snapshot::hash_file;
use crate::sources::{self, packed, sqlite};

/// A file that goes into the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Below the archive's folder: `snapshot/...`, `sources/...`, `staging/...`, `clinic/...`, `reports/...`.
    pub name: String,
    pub path: PathBuf,
    pub bytes: u64,
    pub sha256: String,
}

/// Everything that there is to archive.
#[derive(Debug)]
pub struct Contents {
    pub items: Vec<Item>,
    /// Deliveries that were loaded and put away since: their records are in `raw`.
    pub gone: Vec<String>,
    /// Files in `sources/` that no source loaded.
    pub left_out: Vec<String>,
    /// Names in the clinic's folder that begin with a dot: they may hold secrets, as `.env` does. A folder ends in a slash.
    pub hidden: Vec<String>,
    /// What there is no file: links into nowhere or to folders, pipes.
    pub no_files: Vec<String>,
    pub git: Option<Git>,
}

/// How much of one kind there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Area {
    pub area: String,
    pub objects: u64,
    pub bytes: u64,
}

impl Contents {
    /// By the first part of their names.
    pub fn areas(&self) -> Vec<Area> {
        let mut areas: Vec<Area> = Vec::new();
        for item in &self.items {
            let name = item.name.split('/').next().unwrap_or_default();
            match areas.iter_mut().find(|area| area.area == name) {
                Some(area) => (area.objects, area.bytes) = (area.objects + 1, area.bytes + item.bytes),
                None => areas.push(Area { area: name.to_owned(), objects: 1, bytes: item.bytes }),
            }
        }
        areas
    }
}

/// Gathers and hashes it all; tables of the staging file become files in `work`.
///
/// # Errors
/// The staging file holds another snapshot, a file of the snapshot or a source is not what it was, or something cannot be
/// read.
pub(super) fn gather(options: &Options<'_>, work: &Path) -> Result<Contents> {
    let (project, clinic, manifest) = (options.project, &options.clinic.name, options.snapshot.manifest());
    if !options.staging.holds(&manifest.id)? {
        return Err(Failure::usage(t!("archive.other_staging", snapshot = manifest.id))
            .hint(format!("trasvase run {clinic}"))
            .into());
    }
    options.snapshot.verify_files()?;
    let mut items = snapshot(options)?;
    let mut gone = Vec::new();
    let mut loaded = BTreeSet::new();
    for source in &manifest.sources {
        let comes_in_parts =
            options.clinic.sources.get(&source.source).is_some_and(|config| config.cursor.is_some());
        for file in &source.files {
            let found = source_file(project, clinic, file)?;
            match found {
                Found::Whole(found) => {
                    loaded.extend(found.iter().map(|item| item.path.clone()));
                    items.extend(found);
                }
                Found::Gone if comes_in_parts => gone.push(file.name.clone()),
                other => return Err(moved(clinic, file, &other).into()),
            }
        }
    }
    items.extend(parquet::write(options.staging, work)?);
    let folder = project.clinic_dir(clinic);
    let mut left_out = Vec::new();
    let there = walk(&folder)?;
    // What was loaded is in the archive, by whatever way its file was reached.
    let is_out = |path: &&PathBuf| !loaded.iter().any(|one| one.starts_with(path));
    let named = |paths: &[PathBuf]| paths.iter().filter(is_out).map(|path| shown(&folder, path)).collect();
    let (hidden, no_files) = (named(&there.hidden), named(&there.no_files));
    for path in there.files {
        let below = shown(&folder, &path);
        match below.starts_with("sources/") {
            true if loaded.contains(&path) => {}
            true => left_out.push(below),
            false => items.push(hashed(format!("clinic/{below}"), path)?),
        }
    }
    let reports = project.staging_dir(clinic).join("reports");
    for path in walk(&reports)?.files {
        items.push(hashed(format!("reports/{}", shown(&reports, &path)), path)?);
    }
    items.sort_by(|one, other| one.name.cmp(&other.name));
    items.dedup_by(|one, other| one.name == other.name);
    Ok(Contents { items, gone, left_out, hidden, no_files, git: git::of(project.root()) })
}

/// A path below a folder; a folder below it ends in a slash.
fn shown(folder: &Path, path: &Path) -> String {
    let slash = if path.is_dir() && !path.is_symlink() { "/" } else { "" };
    format!("{}{slash}", path.strip_prefix(folder).unwrap_or(path).to_string_lossy())
}

/// The manifest, and what it names: those hashes were compared just now.
fn snapshot(options: &Options<'_>) -> Result<Vec<Item>> {
    let folder = options.snapshot.folder();
    let item = |file: SourceFile| Item {
        name: format!("snapshot/{}", file.name),
        path: folder.join(&file.name),
        bytes: file.bytes,
        sha256: file.sha256,
    };
    let manifest = hashed("snapshot/manifest.json".to_owned(), folder.join("manifest.json"))?;
    Ok(options.snapshot.manifest().files().map(item).chain([manifest]).collect())
}

/// What became of a file since it was loaded.
enum Found {
    Whole(Vec<Item>),
    Changed,
    Gone,
}

/// A source's file as it was loaded: where it lies, or of a database the copy that was read.
fn source_file(project: &Project, clinic: &ClinicName, file: &SourceFile) -> Result<Found> {
    let path = project.source_path(clinic, &file.name);
    if path.is_dir() {
        return folder(project, clinic, &path, file);
    }
    let copy = project.copies_dir(clinic).join(sqlite::place(&file.name));
    let (mut found, places) = (Found::Gone, [packed::archive(&path).to_owned(), copy]);
    for place in places.into_iter().filter(|place| place.is_file()) {
        let below = project.staging_dir(clinic);
        let shown = match place.strip_prefix(project.extracts_dir(clinic)) {
            Ok(extract) => format!("sources/extracts/{}", extract.to_string_lossy()),
            // Of a file in an archive the archive; a copy goes by the name of what it is a copy of.
            Err(_) if place.starts_with(&below) => name(&file.name),
            Err(_) => name(&below_clinic(project, clinic, &place, &file.name)),
        };
        let item = hashed(shown, place)?;
        if (item.bytes, &item.sha256) == (file.bytes, &file.sha256) {
            return Ok(Found::Whole(vec![item]));
        }
        found = Found::Changed;
    }
    Ok(found)
}

fn below_clinic(project: &Project, clinic: &ClinicName, path: &Path, otherwise: &str) -> String {
    let below = path.strip_prefix(project.clinic_dir(clinic));
    below.map_or_else(|_| otherwise.to_owned(), |below| below.to_string_lossy().into_owned())
}

/// A folder of attachments: its fingerprint is over all of its files.
fn folder(project: &Project, clinic: &ClinicName, path: &Path, file: &SourceFile) -> Result<Found> {
    let there = sources::SourceFile { path: path.to_owned(), shown: file.name.clone() };
    if sources::survey(&there)?.fingerprint.sha256 != file.sha256 {
        return Ok(Found::Changed);
    }
    let item = |path: PathBuf| {
        let shown = below_clinic(project, clinic, &path, &path.to_string_lossy());
        hashed(name(&shown), path)
    };
    Ok(Found::Whole(walk(path)?.files.into_iter().map(item).collect::<Result<Vec<_>>>()?))
}

/// A source's name in the archive, wherever its file lies.
fn name(shown: &str) -> String {
    let place = sqlite::place(shown).to_string_lossy().into_owned();
    if place.starts_with("sources/") { place } else { format!("sources/{place}") }
}

fn moved(clinic: &ClinicName, file: &SourceFile, found: &Found) -> Failure {
    let text = match found {
        Found::Gone => t!("archive.source_gone", path = file.name),
        _ => t!("archive.source_changed", path = file.name),
    };
    Failure::failed(text).hint(t!("archive.source_hint")).hint(format!("trasvase run {clinic}"))
}

fn hashed(name: String, path: PathBuf) -> Result<Item> {
    interrupt::check()?;
    let (sha256, bytes) = hash_file(&path)?;
    Ok(Item { name, path, bytes, sha256 })
}

/// What is below a folder, in name order.
#[derive(Default)]
struct Walked {
    files: Vec<PathBuf>,
    /// What is in a hidden folder is not looked at.
    hidden: Vec<PathBuf>,
    no_files: Vec<PathBuf>,
}

/// # Errors
/// A folder that cannot be read, a name that is no UTF-8.
fn walk(folder: &Path) -> Result<Walked> {
    let (mut found, mut folders) = (Walked::default(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop().filter(|next| next.is_dir()) {
        let cannot = || t!("config.cannot_read", path = next.display());
        for entry in std::fs::read_dir(&next).with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            let Some(Component::Normal(name)) = path.components().next_back() else { continue };
            let Some(name) = name.to_str() else {
                return Err(Failure::failed(t!("load.not_utf8_name", path = path.display()))
                    .hint(t!("load.not_utf8_name_hint"))
                    .into());
            };
            match name.starts_with('.') {
                true => found.hidden.push(path),
                // A link may lead back.
                false if path.is_dir() && !path.is_symlink() => folders.push(path),
                false if path.is_file() => found.files.push(path),
                false => found.no_files.push(path),
            }
        }
    }
    for paths in [&mut found.files, &mut found.hidden, &mut found.no_files] {
        paths.sort();
    }
    Ok(found)
}

/// Where a clinic's archive is prepared.
pub fn work_folder(project: &Project, clinic: &ClinicName) -> PathBuf {
    project.staging_dir(clinic).join("archive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_a_name_below_sources() {
        assert_eq!(name("sources/a.csv"), "sources/a.csv");
        assert_eq!(name("data/a.csv"), "sources/data/a.csv");
        for strange in ["/srv/a.csv", "../a.csv"] {
            assert!(name(strange).starts_with("sources/elsewhere/") && name(strange).ends_with("/a.csv"));
        }
        assert_ne!(name("/srv/a.csv"), name("../a.csv"));
    }
}
