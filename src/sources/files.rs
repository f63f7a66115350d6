//! Which files a source is made of.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use glob::Pattern;
use rust_i18n::t;

use super::globs::{OPTIONS, all_named, cuts, globbed, reach, reaches_into};
use super::{documents, packed};
use crate::config::SourceConfig;
use crate::error::Failure;

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// As people see it and as `_file` holds it: relative to the clinic's folder.
    pub shown: String,
    pub path: PathBuf,
}

impl SourceFile {
    /// Whether a source's globs name it, or an archive that it is in.
    pub fn is_named_by(&self, source: &SourceConfig) -> bool {
        let mut globs = source.files.iter().filter_map(|glob| Pattern::new(glob).ok());
        globs.any(|glob| Path::new(&self.shown).ancestors().any(|path| glob.matches_path_with(path, OPTIONS)))
    }
}

/// A clinic's folder, whose names globs can meet.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Folders of attachments, whose sources refuse by themselves what they cannot name.
    attachments: Vec<PathBuf>,
}

impl Folder {
    /// # Errors
    /// A name in `sources/` or below is not UTF-8, but for those of attachments.
    pub fn open(path: PathBuf, sources: &BTreeMap<String, SourceConfig>) -> Result<Self> {
        let attachments = sources.values().filter_map(|source| source.attachments.as_ref());
        let attachments = attachments.map(|folder| path.join(folder)).collect::<Vec<_>>();
        all_named(&path.join("sources"), usize::MAX, &attachments)?;
        Ok(Self { path, attachments })
    }

    /// Resolves a source's globs against the clinic's folder, in name order, each file once.
    ///
    /// Every glob must match, unless the source is optional (`optional_columns`), in which case there may be no file at all.
    ///
    /// # Errors
    /// A glob that is none, a glob without a match (the folder's files are listed), a folder, a pipe or a device, a name that is not UTF-8.
    pub fn find(&self, source: &str, config: &SourceConfig) -> Result<Vec<SourceFile>> {
        match &config.attachments {
            Some(path) => Ok(vec![attachments(&self.path, source, path)?]),
            None => {
                // What is in `sources/` is known.
                let elsewhere = |base: &PathBuf| !base.starts_with(self.path.join("sources"));
                for (base, depth) in config.files.iter().filter_map(|glob| reach(&self.path, glob)) {
                    if elsewhere(&base) {
                        all_named(&base, depth, &self.attachments)?;
                    }
                }
                find(&self.path, source, config)
            }
        }
    }

    /// The files in the clinic's `sources/` and below that load could read and that no source's globs match, in name order.
    pub fn unnamed(&self, sources: &BTreeMap<String, SourceConfig>) -> Vec<String> {
        unnamed(&self.path, sources)
    }
}

fn find(folder: &Path, source: &str, config: &SourceConfig) -> Result<Vec<SourceFile>> {
    let mut found = Vec::new();
    for pattern in &config.files {
        let matches = matching(folder, source, pattern)?;
        if matches.is_empty() && config.optional_columns.is_none() {
            return Err(missing(folder, source, pattern).into());
        }
        found.extend(matches);
    }
    found.sort();
    found.dedup();
    if let (Some(collection), false) = (&config.collection, found.is_empty()) {
        found = documents::of_collection(found, source, collection)?;
    }
    if found.is_empty() && config.optional_columns.is_none() {
        return Err(Failure::usage(t!("load.no_files", source = source)).into());
    }
    Ok(found)
}

/// What load can read, by the ends of files' names. JSON is what other things are written in, too.
const KINDS: [&str; 18] = [
    "csv", "tsv", "txt", "xls", "xlsx", "xlsm", "xlsb", "ods", "db", "sqlite", "sqlite3", "ndjson", "jsonl",
    "bson", "parquet", "gz", "zst", "zip",
];

fn unnamed(folder: &Path, sources: &BTreeMap<String, SourceConfig>) -> Vec<String> {
    let patterns = |which: fn(&SourceConfig) -> bool| -> Vec<Pattern> {
        let globs = sources.values().filter(|source| which(source)).flat_map(|source| {
            source.files.iter().cloned().chain(source.attachments.iter().map(|path| format!("{path}/**/*")))
        });
        globs.filter_map(|glob| Pattern::new(&glob).ok()).collect()
    };
    let all = patterns(|_| true);
    // One with a collection reads only that collection's of the files that its globs meet.
    let whole = patterns(|source| source.collection.is_none());
    let read = sources.iter().filter_map(|(name, source)| find(folder, name, source).ok());
    let read: BTreeSet<PathBuf> = read.flatten().map(|file| file.path).collect();
    let files = globbed(folder, "sources/**/*").into_iter().flatten().flatten();
    let left = |path: PathBuf| {
        let shown = path.strip_prefix(folder).unwrap_or(&path);
        let meets = |pattern: &Pattern| {
            [shown, &path].into_iter().any(|path| pattern.matches_path_with(path, OPTIONS))
        };
        let is_reached =
            |pattern: &Pattern| [shown, &path].into_iter().any(|path| reaches_into(pattern, path));
        let file = SourceFile { shown: shown.to_string_lossy().into_owned(), path: path.clone() };
        if whole.iter().any(meets) || read.contains(&path) {
            Vec::new()
        } else if read.range(path.clone()..).next().is_some_and(|next| next.starts_with(&path)) {
            packed::members(&file).ok().flatten().unwrap_or_default()
        } else if all.iter().any(is_reached) {
            Vec::new()
        } else {
            vec![file]
        }
    };
    let left = files.filter(|path| path.is_file() && is_of_a_kind(path)).flat_map(left);
    left.filter(|file| !read.contains(&file.path) && is_of_a_kind(&file.path))
        .map(|file| file.shown)
        .collect()
}

fn is_of_a_kind(path: &Path) -> bool {
    let end = path.extension().map(|end| end.to_string_lossy().to_lowercase()).unwrap_or_default();
    KINDS.contains(&end.as_str()) && !is_lock(path) && !documents::is_about_a_dump(&path.to_string_lossy())
}

/// `~$name.xlsx` is the lock that a spreadsheet program leaves beside an open file.
fn is_lock(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("~$"))
}

/// What SQLite keeps beside a database that is in use.
fn is_log(path: &Path) -> bool {
    let name = path.to_string_lossy();
    let stem = ["-wal", "-shm", "-journal"].iter().find_map(|end| name.strip_suffix(end));
    stem.is_some_and(|stem| super::sqlite::is_database(Path::new(stem)))
}

/// How many of the files that are there are listed where none matches.
const SHOWN: usize = 8;

fn matching(folder: &Path, source: &str, pattern: &str) -> Result<Vec<SourceFile>> {
    let paths = globbed(folder, pattern).map_err(|error| {
        Failure::usage(t!("load.bad_glob", source = source, glob = pattern, error = error.msg))
    })?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            Failure::failed(t!("load.cannot_read", path = error.path().display(), error = error.error()))
        })?;
        if pattern.contains('*') && (is_lock(&path) || is_log(&path)) {
            continue;
        }
        let shown = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        if path.is_dir() {
            return Err(Failure::failed(t!("load.is_folder", source = source, path = shown))
                .hint(t!("load.is_folder_hint", path = shown))
                .into());
        }
        if let Some(what) = no_file(&path) {
            return Err(Failure::failed(t!(
                "load.no_regular_file",
                source = source,
                path = shown,
                what = what
            ))
            .hint(t!("load.no_regular_file_hint", path = shown))
            .into());
        }
        let file = SourceFile { shown, path };
        match packed::members(&file)? {
            Some(members) if members.is_empty() => return Err(empty(source, pattern, &file, &members).into()),
            Some(members) => found.extend(members),
            None => found.push(file),
        }
    }
    if found.is_empty() { inside_archives(folder, source, pattern) } else { Ok(found) }
}

/// The files that a glob names inside zip archives, as if those were folders: `export.zip/clients*.csv`.
fn inside_archives(folder: &Path, source: &str, pattern: &str) -> Result<Vec<SourceFile>> {
    for (outer, inner) in cuts(pattern) {
        let Ok(inside) = Pattern::new(inner) else { continue };
        let archives = globbed(folder, outer).into_iter().flatten().flatten();
        let mut found = Vec::new();
        for path in archives.filter(|path| path.is_file()) {
            let shown = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            let archive = SourceFile { shown, path };
            let Some(members) = packed::members(&archive)? else { continue };
            let fits = |file: &&SourceFile| {
                let name = file.path.strip_prefix(&archive.path).unwrap_or(&file.path);
                inside.matches_path_with(name, OPTIONS)
            };
            let fitting: Vec<SourceFile> = members.iter().filter(fits).cloned().collect();
            if fitting.is_empty() {
                return Err(empty(source, inner, &archive, &members).into());
            }
            found.extend(fitting);
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

fn empty(source: &str, pattern: &str, archive: &SourceFile, members: &[SourceFile]) -> Failure {
    let failure = Failure::failed(t!("packed.empty", source = source, path = archive.shown, glob = pattern));
    let name = |file: &SourceFile| file.shown[archive.shown.len() + 1..].to_owned();
    let names: Vec<String> = members.iter().take(SHOWN).map(name).collect();
    match names.is_empty() {
        true => failure.hint(t!("packed.nothing_hint", path = archive.shown, source = source)),
        false => failure.hint(t!("packed.empty_hint", names = names.join(", "))),
    }
}

/// The folder of a source of attachments.
fn attachments(folder: &Path, source: &str, path: &str) -> Result<SourceFile> {
    let found = folder.join(path);
    if !found.is_dir() {
        return Err(Failure::failed(t!("folder.no_folder", source = source, path = path))
            .hint(t!("folder.no_folder_hint", source = source))
            .into());
    }
    Ok(SourceFile { shown: path.trim_end_matches('/').to_owned(), path: found })
}

/// What stands there instead of a file: to open a named pipe is to wait for whoever writes into it. A link counts as
/// what it leads to; one that leads nowhere is told where it is opened.
pub(super) fn no_file(path: &Path) -> Option<Cow<'static, str>> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    let is_regular = kind.is_file();
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_fifo(&kind) {
        return Some(t!("load.named_pipe"));
    }
    (!is_regular).then(|| t!("load.device"))
}

fn missing(folder: &Path, source: &str, pattern: &str) -> Failure {
    let failure =
        Failure::failed(t!("load.no_match", source = source, glob = pattern, folder = folder.display()));
    let beside = folder.join(pattern).parent().map(Path::to_path_buf).unwrap_or_default();
    let mut names: Vec<_> = std::fs::read_dir(&beside)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    if names.is_empty() {
        return failure.hint(t!("load.no_match_empty", folder = beside.display()));
    }
    names.sort_by_key(|name| std::cmp::Reverse((strsim::jaro_winkler(name, pattern) * 1e6) as u64));
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let mut names = names.join(", ");
    if more > 0 {
        names = format!("{names} {}", t!("load.no_match_more", count = more));
    }
    failure.hint(t!("load.no_match_hint", folder = beside.display(), names = names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn config(files: &[&str]) -> SourceConfig {
        let list = files.iter().map(|file| format!("{file:?}")).collect::<Vec<_>>().join(", ");
        toml::from_str(&format!("files = [{list}]")).unwrap()
    }

    #[test]
    fn files_come_in_name_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "~$a.csv", ".c.csv"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let found = find(folder.path(), "s", &config(&["*.csv", "b.csv"])).unwrap();
        let shown: Vec<_> = found.iter().map(|file| file.shown.as_str()).collect();
        assert_eq!(shown, ["a.csv", "b.csv"]);
    }

    #[test]
    fn files_that_no_glob_matches_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("sources/old.csv")).unwrap();
        for name in ["a.csv", "~$a.xlsx", ".c.csv", "LICENCE", "notes.md", "more.XLSX", "old.csv/b.csv"] {
            std::fs::write(folder.path().join("sources").join(name), "x").unwrap();
        }
        let named = |globs: &[&str]| BTreeMap::from([("s".to_owned(), config(globs))]);
        assert_eq!(
            unnamed(folder.path(), &named(&["sources/*.csv"])),
            ["sources/more.XLSX", "sources/old.csv/b.csv"]
        );
        let absolute = folder.path().join("sources/more.XLSX");
        assert!(unnamed(folder.path(), &named(&["sources/**/*.csv", absolute.to_str().unwrap()])).is_empty());
    }

    #[test]
    fn files_that_are_passed_over_within_an_archive_or_a_dump_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("sources/dump/db");
        std::fs::create_dir_all(&dump).unwrap();
        for name in ["one.bson", "two.bson", "two.metadata.json"] {
            std::fs::write(dump.join(name), [5, 0, 0, 0, 0]).unwrap();
        }
        let mut zip =
            zip::ZipWriter::new(std::fs::File::create(folder.path().join("sources/all.zip")).unwrap());
        for name in ["a/c1.csv", "a/c2.csv", "a/README"] {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut zip, b"x\n").unwrap();
        }
        zip.finish().unwrap();
        let of_one = toml::from_str("files = [\"sources/dump/db/*\"]\ncollection = \"one\"").unwrap();
        let mut sources = BTreeMap::from([
            ("one".to_owned(), of_one),
            ("c".to_owned(), config(&["sources/all.zip/a/c2*.csv"])),
        ]);
        assert_eq!(
            unnamed(folder.path(), &sources),
            ["sources/all.zip/a/c1.csv", "sources/dump/db/two.bson"]
        );
        sources.insert("rest".to_owned(), config(&["sources/all.zip", "sources/dump/db/two.bson"]));
        assert_eq!(unnamed(folder.path(), &sources), [""; 0]);
    }

    #[test]
    fn a_missing_file_lists_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("patients.csv"), "x").unwrap();
        let error = find(folder.path(), "s", &config(&["pacients.csv"])).unwrap_err();
        let failure = Failure::from_anyhow(&error);
        assert_eq!(failure.kind, Kind::Failed);
        assert!(
            failure.message.contains("pacients.csv") && failure.hints[0].contains("patients.csv"),
            "{failure:?}"
        );
    }

    #[test]
    fn of_many_files_it_is_said_that_there_are_more() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..10 {
            std::fs::write(folder.path().join(format!("x{number}.csv")), "x").unwrap();
        }
        let hint = || Failure::from_anyhow(&find(folder.path(), "s", &config(&["y.csv"])).unwrap_err()).hints;
        assert!(hint()[0].ends_with("(and 2 more)"), "{:?}", hint());
        std::fs::remove_file(folder.path().join("x8.csv")).unwrap();
        std::fs::remove_file(folder.path().join("x9.csv")).unwrap();
        assert!(hint()[0].ends_with(".csv"), "{:?}", hint());
    }

    #[test]
    fn a_folder_whose_name_is_a_glob_is_taken_literally() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("[a]*");
        std::fs::create_dir(&odd).unwrap();
        std::fs::write(odd.join("x.csv"), "x").unwrap();
        assert_eq!(find(&odd, "s", &config(&["*.csv"])).unwrap().len(), 1);
    }
}
