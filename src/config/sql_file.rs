//! The SQL files that hold for a clinic, in three layers: the system it enters, the product it leaves, its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::{Clinic, Project};
use crate::error::Failure;
use crate::model::ident::TableName;

/// A file with one query, and what its first comment lines say.
#[derive(Debug, Clone)]
pub struct SqlFile {
    /// File name without `.sql`: the table, check or control.
    pub name: String,
    /// Path relative to the project, as messages show it.
    pub path: String,
    pub text: String,
    pub header: Header,
}

impl SqlFile {
    /// The query without the semicolon that may end it, to stand in a FROM clause on lines of its own.
    pub fn query(&self) -> &str {
        self.text.trim().trim_end_matches(';')
    }

    /// Whether it names one of these tables after FROM, JOIN or a comma, plainly or in a schema of the staging file.
    fn reads_any(&self, tables: &BTreeSet<TableName>) -> bool {
        let code = self.text.lines().map(|line| line.split("--").next().unwrap_or_default());
        let code = code.collect::<Vec<_>>().join("\n").replace(',', " , ").replace(['(', ')', ';'], " ");
        let words: Vec<String> =
            code.split_whitespace().map(|word| word.replace('"', "").to_lowercase()).collect();
        words.windows(2).any(|pair| {
            let staged = pair[1].split_once('.').filter(|(schema, _)| STAGED.contains(schema));
            let table = TableName::from(staged.map_or(pair[1].as_str(), |(_, table)| table));
            match pair[0].as_str() {
                "from" | "join" => tables.contains(&table),
                "," => staged.is_some() && tables.contains(&table),
                _ => false,
            }
        })
    }
}

/// Schemas of the staging file that hold a table by the target's name.
const STAGED: [&str; 3] = ["target", "ready", "reject"];

/// `-- what one row is`, and `-- key: value` lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    pub title: String,
    /// Keys in the order of the file, which may repeat.
    pub entries: Vec<(String, String)>,
}

impl Header {
    /// Reads the comment lines that a file begins with; `None` where there are none.
    pub fn read(text: &str) -> Option<Self> {
        let lines = || text.lines().map_while(|line| line.trim().strip_prefix("--")).map(str::trim);
        // A key that means something is no title, on whichever line it stands.
        let prose = |line: &&str| entry(line).is_none_or(|(key, _)| !KEYS.contains(&key.as_str()));
        let title = lines().find(prose).filter(|title| !title.is_empty())?.to_owned();
        let entries = lines().filter(|line| *line != title).filter_map(entry).collect();
        Some(Self { title, entries })
    }

    /// The first value of a key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values(key).next()
    }

    /// All values of a key.
    pub fn values<'a, 'k>(&'a self, key: &'k str) -> impl Iterator<Item = &'a str> + use<'a, 'k> {
        self.entries.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// The keys that something is made of.
const KEYS: [&str; 3] = ["origin", "map", "severity"];

/// `key: value` with a key of small letters and `_`; any other comment line is prose.
fn entry(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once(':')?;
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    plain.then(|| (key.to_owned(), value.trim().to_owned()))
}

/// Folders of queries that a run of few tables cannot answer where they read another.
const QUESTIONS: [&str; 3] = ["checks", "control", "verify"];

/// The `.sql` files of a folder (`clean`, `target`, `checks`, ...) by name: a product's replaces the system's, a
/// clinic's replaces both. Of questions, those about a table that the clinic leaves out are not among them, nor are
/// their other halves (`paid` goes with `paid.target`).
///
/// # Errors
/// A file without a header, two files of one name in one layer, an unreadable file.
pub fn sql_files(project: &Project, clinic: &Clinic, folder: &str) -> Result<Vec<SqlFile>> {
    let files = files_of_layers(project, &layers(project, clinic), folder, "sql")?;
    let files = files.into_values().map(|path| read_file(project, &path));
    let mut files = files.collect::<Result<Vec<SqlFile>>>()?;
    if QUESTIONS.contains(&folder) && !clinic.left_out.is_empty() {
        let whole = |file: &SqlFile| file.name.split('.').next().unwrap_or_default().to_owned();
        let left_out: BTreeSet<String> =
            files.iter().filter(|file| file.reads_any(&clinic.left_out)).map(whole).collect();
        files.retain(|file| !left_out.contains(&whole(file)));
    }
    Ok(files)
}

/// The macro files, in the order in which their definitions replace each other: everyone's, the system's, the
/// product's, the clinic's.
///
/// # Errors
/// As [`sql_files`].
pub fn macro_files(project: &Project, clinic: &Clinic) -> Result<Vec<SqlFile>> {
    let mut files = Vec::new();
    for layer in std::iter::once(project.sql_dir()).chain(layers(project, clinic)) {
        let found = files_of_layers(project, &[layer], "macros", "sql")?;
        for path in found.into_values() {
            files.push(read_file(project, &path)?);
        }
    }
    Ok(files)
}

/// The value maps (`maps/<name>.csv`) by name, each with its files in the order in which their rows replace each other:
/// the product's, the clinic's.
///
/// # Errors
/// A folder that cannot be read.
pub fn map_files(project: &Project, clinic: &Clinic) -> Result<BTreeMap<String, Vec<PathBuf>>> {
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for layer in [project.sql_dir().join("sources").join(&clinic.product), project.clinic_dir(&clinic.name)] {
        for (name, path) in files_of_layers(project, &[layer], "maps", "csv")? {
            files.entry(name).or_default().push(path);
        }
    }
    Ok(files)
}

/// A shared TOML file of a folder by name, as messages show its path, and its text: the clinic's own, else its
/// product's, its system's, everyone's.
///
/// # Errors
/// As [`sql_files`].
pub(super) fn toml_file(
    project: &Project,
    clinic: &Clinic,
    folder: &str,
    name: &str,
) -> Result<Option<(String, String)>> {
    let everyone = std::iter::once(project.sql_dir());
    let every: Vec<PathBuf> = everyone.chain(layers(project, clinic)).collect();
    let Some(path) = files_of_layers(project, &every, folder, "toml")?.remove(&name.to_lowercase()) else {
        return Ok(None);
    };
    let shown = shown(project, &path);
    let text = read_text(&path, &shown)?;
    Ok(Some((shown, text)))
}

/// Whether an SQL file that holds for a clinic has this word, in any case.
///
/// # Errors
/// A file or folder that cannot be read.
pub(super) fn mentions(project: &Project, clinic: &Clinic, word: &str) -> Result<bool> {
    let mut files = Vec::new();
    for folder in layers(project, clinic).into_iter().chain([project.sql_dir().join("macros")]) {
        walk(&folder, "sql", &mut files)?;
    }
    let word = word.to_lowercase();
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    for path in files {
        let text = read_text(&path, &shown(project, &path))?.to_lowercase();
        let whole = |(at, found): (usize, &str)| {
            !inside(text[..at].chars().next_back()) && !inside(text[at + found.len()..].chars().next())
        };
        if text.match_indices(&word).any(whole) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Files of one kind in several layers by lower-case name; a later layer's replaces an earlier one's.
///
/// # Errors
/// Two files of one name in one layer, a folder that cannot be read.
fn files_of_layers(
    project: &Project,
    layers: &[PathBuf],
    folder: &str,
    extension: &str,
) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for layer in layers {
        let mut here = BTreeMap::new();
        let mut found = Vec::new();
        walk(&layer.join(folder), extension, &mut found)?;
        for path in found {
            let name = stem(&path).to_lowercase();
            if let Some(first) = here.insert(name.clone(), path.clone()) {
                let (first, second) = (shown(project, &first), shown(project, &path));
                return Err(Failure::failed(t!(
                    "config.same_name",
                    first = first,
                    second = second,
                    name = name
                ))
                .into());
            }
        }
        files.extend(here);
    }
    Ok(files)
}

/// The layers of queries, later over earlier.
fn layers(project: &Project, clinic: &Clinic) -> [PathBuf; 3] {
    [
        project.sql_dir().join("systems").join(&clinic.system),
        project.sql_dir().join("sources").join(&clinic.product),
        project.clinic_dir(&clinic.name).join("sql"),
    ]
}

/// Reads an SQL file of the project with its header.
fn read_file(project: &Project, path: &Path) -> Result<SqlFile> {
    let shown = shown(project, path);
    let text = read_text(path, &shown)?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    let header = Header::read(&text).ok_or_else(|| {
        Failure::failed(t!("config.no_header", path = shown)).hint(t!("config.no_header_hint"))
    })?;
    Ok(SqlFile { name: stem(path), path: shown, text, header })
}

/// A file's text; where it is no UTF-8, the failure names the line.
fn read_text(path: &Path, shown: &str) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| t!("config.cannot_read", path = shown))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let failure = Failure::failed(t!("config.not_utf8", path = shown, line = line));
        failure.hint(t!("config.not_utf8_hint", path = shown)).into()
    })
}

fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(folder)
        .and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()
        })
        .with_context(|| t!("config.cannot_read", path = folder.display()))?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, extension, found)?;
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(())
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A path relative to the project where it is inside, for messages.
pub fn shown(project: &Project, path: &Path) -> String {
    path.strip_prefix(project.root()).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_about_the_tables_that_it_reads() {
        let left_out = BTreeSet::from(["note".into(), "lml_users.main".into()]);
        let reads = |text: &str| {
            let header = Header::default();
            SqlFile { name: "x".into(), path: "x.sql".into(), text: text.into(), header }.reads_any(&left_out)
        };
        for text in [
            "select 1 from note",
            "select 1\nFROM\n  Note as n",
            "select (select count(*) from note)",
            "with a as (select 1 from target.note) select 1 from a",
            "select 1 from patient join reject.\"note\" on true",
            "select 1 from patient p, target.note n",
            "select 1 from lml_users.main",
            "select 1 from ready.\"lml_users.main\"",
        ] {
            assert!(reads(text), "{text}");
        }
        for text in [
            "-- from note\nselect note, note.a from patient as note",
            "select 1 from notes join raw.note using (id)",
            "select a, note from patient",
        ] {
            assert!(!reads(text), "{text}");
        }
    }

    #[test]
    fn a_header_is_the_leading_comment() {
        let header = Header::read("-- one patient\n-- origin: none\n-- Prose: kept out\n-- map: a = raw.x.y\n-- map: b = raw.x.z\nselect 1\n-- no: header\n").unwrap();
        assert_eq!(header.title, "one patient");
        assert_eq!(header.value("origin"), Some("none"));
        assert_eq!(header.values("map").collect::<Vec<_>>(), ["a = raw.x.y", "b = raw.x.z"]);
        assert_eq!(header.entries.len(), 3);
        let first = Header::read("-- severity: critical\n-- no phone\nselect 1").unwrap();
        assert_eq!((first.title.as_str(), first.value("severity")), ("no phone", Some("critical")));
        for without in
            ["", "select 1", "--\nselect 1", "\n-- late\nselect 1", "-- severity: critical\nselect 1"]
        {
            assert_eq!(Header::read(without), None, "{without:?}");
        }
    }
}
