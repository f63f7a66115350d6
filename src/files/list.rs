//! Which files there are to upload: the rows of a list, or what lies in a folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::Options;
use super::finding::{Findings, Rule};
use crate::config::{Consent, Files, near};
use crate::error::{Failure, interrupt};
use crate::model::ident::{literal, quoted};
use crate::staging::Staging;

/// What a column may hold that says yes, or no.
const YES: [&str; 8] = ["true", "t", "1", "yes", "y", "si", "sí", "s"];
const NO: [&str; 6] = ["false", "f", "0", "no", "n", ""];

/// A file that somebody wants uploaded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    /// Its section in clinic.toml.
    pub(super) section: usize,
    /// From the folder on.
    pub(super) path: String,
    /// The owner's key in the old system.
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) kind: Option<String>,
    pub(super) consent: bool,
    /// The record that lists it, as `source:file:row`.
    pub(super) record: Option<String>,
}

/// What a section names.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) listed: Vec<Listed>,
    /// Path and owner of what is named too, and is not uploaded as long as its line is not mended.
    pub(super) refused: Vec<(String, String)>,
    /// Whether more is named than can be told: then nothing that is not listed counts as gone.
    pub(super) unclear: bool,
}

/// Whether some are consents, and whether others are not.
pub(super) fn consents(section: &Files, staging: &Staging) -> Result<(bool, bool)> {
    match (&section.consent, section.listed()) {
        (Consent::All(all), _) => Ok((*all, !*all)),
        (Consent::Column(_), None) => Ok((false, true)),
        (Consent::Column(column), Some(list)) => {
            columns(section, staging, list)?;
            let yes = YES.map(literal).join(", ");
            let is = format!("lower(trim(coalesce({}::varchar, ''))) in ({yes})", quoted(column));
            let table = table(list);
            let some = |condition: &str| format!("select count(*) > 0 from {table} where {condition}");
            Ok((staging.value(&some(&is))?, staging.value(&some(&format!("not {is}")))?))
        }
    }
}

/// Reads a section's files; each once an owner.
pub(super) fn read(
    options: &Options<'_>,
    number: usize,
    section: &Files,
    findings: &mut Findings,
) -> Result<Read> {
    let folder = folder(options, section)?;
    let (there, whole) = walk(&folder, section, findings)?;
    let mut read = match section.listed() {
        Some(list) => {
            let (read, named) = of_list(options, number, section, list, findings)?;
            for path in there.difference(&named) {
                findings.add(section.shown(), Rule::Unreferenced, path, None);
            }
            read
        }
        None => {
            let listed = of_folder(number, section, there, findings);
            Read { listed, unclear: !whole, ..Read::default() }
        }
    };
    let listed = &mut read.listed;
    if listed.is_empty() && read.refused.is_empty() {
        read.unclear = true;
        findings.add(section.shown(), Rule::NothingListed, "", None);
    }
    // Of several lines one that says consent comes first: it is the one that protects more.
    listed.sort_by(|one, other| {
        let place = |one: &Listed| (one.path.clone(), one.owner.clone(), !one.consent);
        place(one).cmp(&place(other)).then_with(|| one.cmp(other))
    });
    listed.dedup_by(|one, kept| {
        let same = (&one.path, &one.owner) == (&kept.path, &kept.owner);
        if same && (one.consent, &one.name, &one.kind) != (kept.consent, &kept.name, &kept.kind) {
            findings.add(section.shown(), Rule::Twice, &one.path, one.record.as_deref());
        }
        same
    });
    Ok(read)
}

/// The section's folder, without links.
pub(super) fn folder(options: &Options<'_>, section: &Files) -> Result<PathBuf> {
    let path = options.project.clinic_dir(&options.clinic.name).join(&section.folder);
    path.canonicalize().ok().filter(|path| path.is_dir()).ok_or_else(|| {
        Failure::usage(t!("files.no_folder", folder = section.folder))
            .hint(t!("files.no_folder_hint", path = path.display()))
            .into()
    })
}

fn table((schema, name): (&str, &str)) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// The list's columns, if it has all that are named.
fn columns(section: &Files, staging: &Staging, (schema, name): (&str, &str)) -> Result<BTreeSet<String>> {
    let sql = format!(
        "select column_name from duckdb_columns() where schema_name = {} and table_name = {}",
        literal(schema),
        literal(name)
    );
    let columns: BTreeSet<String> = staging.rows(&sql, |row| row.get(0))?.into_iter().collect();
    if columns.is_empty() {
        return Err(Failure::usage(t!("files.no_list", list = section.shown()))
            .hint(t!("files.no_list_hint"))
            .into());
    }
    let consent = match &section.consent {
        Consent::Column(column) => Some(column),
        Consent::All(_) => None,
    };
    let wanted =
        [Some(&section.path), Some(&section.owner), section.name.as_ref(), section.kind.as_ref(), consent];
    match wanted.into_iter().flatten().find(|name| !columns.contains(*name)) {
        None => Ok(columns),
        Some(missing) => {
            let (list, near) = (section.shown(), near(missing, &columns));
            Err(Failure::usage(t!("files.no_column", list = list, column = missing, near = near)).into())
        }
    }
}

/// Path, owner, name, kind, consent and record, as a list has them.
type Columns = (Option<String>, Option<String>, Option<String>, Option<String>, String, Option<String>);

fn of_list(
    options: &Options<'_>,
    number: usize,
    section: &Files,
    list: (&str, &str),
    findings: &mut Findings,
) -> Result<(Read, BTreeSet<String>)> {
    let columns = columns(section, options.staging, list)?;
    let text = |name: Option<&String>| name.map_or("null".to_owned(), |name| quoted(name));
    let consent = match &section.consent {
        Consent::Column(column) => text(Some(column)),
        Consent::All(all) => format!("'{all}'"),
    };
    let id = match (columns.contains("_id"), columns.contains("_ids")) {
        (true, _) => "_id",
        (_, true) => "_ids[1]",
        _ => "null::bigint",
    };
    let sql = format!(
        "select path, owner, name, kind, consent, s.source || ':' || ((id >> 36) & 16383) || ':' || (id & 68719476735) \
         from (select {}::varchar as path, {}::varchar as owner, {}::varchar as name, {}::varchar as kind, \
         lower(trim(coalesce({consent}::varchar, ''))) as consent, {id} as id from {}) l \
         left join (select distinct number, source from meta.source) s on s.number = l.id >> 50",
        text(Some(&section.path)),
        text(Some(&section.owner)),
        text(section.name.as_ref()),
        text(section.kind.as_ref()),
        table(list),
    );
    let rows: Vec<Columns> = options.staging.rows(&sql, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    })?;
    let (mut read, mut named) = (Read::default(), BTreeSet::new());
    // A line that could not be read may list any file.
    read.unclear = !options.staging.sources_not_whole(list.0, list.1)?.is_empty();
    for (path, owner, name, kind, consent, record) in rows {
        let subject = section.shown();
        // Windows writes its paths otherwise.
        let path = path.unwrap_or_default().trim().replace('\\', "/");
        let path = path.trim_start_matches("./").to_owned();
        if path.is_empty() {
            findings.add(subject, Rule::NoPath, "", record.as_deref());
            read.unclear = true;
            continue;
        }
        named.insert(path.clone());
        let owner = owner.unwrap_or_default().trim().to_owned();
        let is_yes = YES.contains(&consent.as_str());
        if !is_yes && !NO.contains(&consent.as_str()) {
            findings.add(subject, Rule::ConsentUnclear, &path, record.as_deref());
            read.refused.push((path, owner));
            continue;
        }
        let last = || path.rsplit('/').next().unwrap_or(&path).to_owned();
        read.listed.push(Listed {
            section: number,
            owner,
            name: name
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .unwrap_or_else(last),
            kind,
            consent: is_yes,
            record,
            path: path.clone(),
        });
    }
    Ok((read, named))
}

/// The first folder of each path names the owner.
fn of_folder(
    number: usize,
    section: &Files,
    there: BTreeSet<String>,
    findings: &mut Findings,
) -> Vec<Listed> {
    let listed = |path: String| {
        let Some((owner, _)) = path.split_once('/') else {
            findings.add(section.shown(), Rule::NoOwner, &path, None);
            return None;
        };
        Some(Listed {
            section: number,
            owner: owner.to_owned(),
            name: path.rsplit('/').next().unwrap_or(&path).to_owned(),
            kind: None,
            consent: section.consent == Consent::All(true),
            record: None,
            path: path.clone(),
        })
    };
    there.into_iter().filter_map(listed).collect()
}

/// The paths of the folder's files, from it on, and whether these are all. Names that begin with a dot are no documents, and are told but for those that
/// macOS leaves everywhere. A link to a folder is not
/// followed, since it may lead anywhere; one to a file is looked at as that file.
fn walk(folder: &Path, section: &Files, findings: &mut Findings) -> Result<(BTreeSet<String>, bool)> {
    let only = section.only.as_deref().map(glob::Pattern::new).transpose()?;
    let (mut there, mut folders, mut whole) = (BTreeSet::new(), vec![folder.to_owned()], true);
    while let Some(next) = folders.pop() {
        interrupt::check()?;
        let inside = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
        let entries = match std::fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) if next == folder => {
                return Err(error).with_context(|| t!("snapshot.cannot_read", path = section.folder));
            }
            Err(_) => {
                findings.add(section.shown(), Rule::Unreadable, &inside(&next), None);
                whole = false;
                continue;
            }
        };
        for entry in entries {
            let path = entry.with_context(|| t!("snapshot.cannot_read", path = section.folder))?.path();
            let shown = inside(&path);
            if let Some(name) = path.file_name().map(|name| name.to_string_lossy())
                && name.starts_with('.')
            {
                if name != ".DS_Store" && !name.starts_with("._") {
                    findings.add(section.shown(), Rule::Hidden, &shown, None);
                }
                continue;
            }
            if path.strip_prefix(folder).unwrap_or(&path).to_str().is_none() {
                findings.add(section.shown(), Rule::UnreadableName, &shown, None);
                whole = false;
                continue;
            }
            match (path.is_dir(), path.is_symlink()) {
                (true, true) => {
                    findings.add(section.shown(), Rule::Outside, &shown, None);
                    whole = false;
                }
                (true, false) => folders.push(path),
                _ if only.as_ref().is_none_or(|only| only.matches(&shown)) => {
                    there.insert(shown);
                }
                _ => {}
            }
        }
    }
    Ok((there, whole))
}

/// The owners of these files, each once.
pub(super) fn owners(listed: &[Listed]) -> Vec<&str> {
    let owners: BTreeSet<&str> = listed.iter().map(|one| one.owner.as_str()).collect();
    owners.into_iter().filter(|owner| !owner.is_empty()).collect()
}
