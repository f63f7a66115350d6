//! Finds and hashes the files of the sources that are asked for.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::Options;
use super::plan::Found;
use crate::config::{Clinic, SourceConfig, nearest};
use crate::error::Failure;
use crate::model::hex;
use crate::sources::{self, READER_VERSION, SourceFile, Survey};

/// A source and its files as they are now.
#[derive(Clone)]
pub(super) struct Surveyed {
    pub(super) name: String,
    /// Position in clinic.toml's sorted sources, from 1.
    pub(super) number: u64,
    pub(super) config: SourceConfig,
    pub(super) options_hash: String,
    pub(super) parts: Vec<(SourceFile, Survey)>,
}

impl Surveyed {
    pub(super) fn found(&self) -> Found {
        let file =
            |(file, survey): &(SourceFile, Survey)| (file.shown.clone(), survey.of_file().sha256.clone());
        Found {
            source: self.name.clone(),
            number: self.number,
            options_hash: self.options_hash.clone(),
            files: self.parts.iter().map(file).collect(),
            bytes: self.bytes(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.parts.iter().map(|(_, survey)| survey.fingerprint.bytes).sum()
    }
}

/// A source that is asked for, and its files; those of a live source are extracts, which are not there yet.
pub(super) struct Asked<'a> {
    pub(super) name: &'a str,
    number: u64,
    pub(super) config: &'a SourceConfig,
    pub(super) options_hash: String,
    pub(super) files: Vec<SourceFile>,
    /// The extract that was asked for just now, which nobody need read for its hash.
    pub(super) extract: Option<(SourceFile, Survey)>,
}

/// Finds the files of the sources that are asked for, after all options were found to be possible.
pub(super) fn find<'a>(options: &Options<'a>) -> Result<(sources::Folder, Vec<Asked<'a>>)> {
    let clinic = options.clinic;
    validate(clinic)?;
    for name in &options.only {
        if !clinic.sources.contains_key(name) {
            return Err(unknown(clinic, name).into());
        }
    }
    let folder = sources::Folder::open(options.project.clinic_dir(&clinic.name), &clinic.sources)?;
    let wanted = |name: &String| options.only.is_empty() || options.only.contains(name);
    let numbered = (1..).zip(&clinic.sources).filter(|(_, (name, _))| wanted(name));
    // Every file is found before the first is read: a missing one is told at once.
    let asked: Result<Vec<Asked<'a>>> = numbered
        .map(|(number, (name, config))| {
            let is_live = config.url.is_some();
            let files = if is_live { Vec::new() } else { folder.find(name, config)? };
            Ok(Asked { name, number, config, options_hash: options_hash(config), files, extract: None })
        })
        .collect();
    Ok((folder, asked?))
}

/// Reads every file once; a database also where several sources name it.
pub(super) fn all(asked: Vec<Asked<'_>>) -> Result<Vec<Surveyed>> {
    let mut databases = BTreeMap::new();
    asked.into_iter().map(|asked| one(asked, &mut databases)).collect()
}

/// Tables that hold rows and collections of archives that no source reads, each with its file.
pub(super) fn unread(all: &[Surveyed]) -> Vec<String> {
    let mut files: BTreeMap<&SourceFile, (&Survey, Vec<&SourceConfig>)> = BTreeMap::new();
    for source in all {
        for (file, survey) in &source.parts {
            files.entry(file).or_insert((survey, Vec::new())).1.push(&source.config);
        }
    }
    let told = files.into_iter().flat_map(|(file, (survey, sources))| {
        let (path, file_path) = (&file.shown, &file.path);
        let tables = match survey.is_database() {
            true => sources::sqlite::unread(file_path, &sources),
            false => Vec::new(),
        };
        let tables =
            tables.into_iter().map(|table| t!("sqlite.unread", path = path, table = table).into_owned());
        let collections = sources::unread_collections(file, survey, &sources).into_iter();
        let collections =
            collections.map(|name| t!("documents.unread", path = path, collection = name).into_owned());
        tables.chain(collections).collect::<Vec<_>>()
    });
    told.collect()
}

fn unknown(clinic: &Clinic, name: &str) -> Failure {
    let known = clinic.sources.keys().cloned().collect::<Vec<_>>().join(", ");
    let failure = Failure::usage(t!("load.unknown_source", name = name, known = known));
    match nearest(name, clinic.sources.keys()).first() {
        Some(near) => failure.hint(format!("trasvase load {} --source {near}", clinic.name)),
        None => failure.hint(t!("load.unknown_source_hint", clinic = clinic.name, name = name)),
    }
}

fn one(asked: Asked<'_>, databases: &mut BTreeMap<SourceFile, Survey>) -> Result<Surveyed> {
    let mut parts = Vec::new();
    for file in asked.files {
        let extract = asked.extract.as_ref().filter(|(one, _)| *one == file).map(|(_, survey)| survey);
        let survey = match extract.or_else(|| databases.get(&file)) {
            Some(survey) => survey.clone(),
            None => sources::survey(&file)?,
        };
        if survey.is_database() {
            databases.insert(file.clone(), survey.clone());
        }
        parts.push((file, survey));
    }
    Ok(Surveyed {
        name: asked.name.to_owned(),
        number: asked.number,
        config: asked.config.clone(),
        options_hash: asked.options_hash,
        parts,
    })
}

fn validate(clinic: &Clinic) -> Result<()> {
    let mut folded = HashSet::new();
    for (name, config) in &clinic.sources {
        sources::validate(name, config)?;
        // DuckDB does not tell names apart by upper and lower case, and `__new` is the table being built.
        if !folded.insert(name.to_lowercase())
            || name.ends_with("__new")
            || name.is_empty()
            || name.contains('\0')
        {
            return Err(Failure::usage(t!("load.bad_name", source = name)).into());
        }
    }
    Ok(())
}

/// A hash over what decides how files are read; the files themselves are hashed apart.
fn options_hash(config: &SourceConfig) -> String {
    // Every option is named here, so that a new one cannot be forgotten silently.
    let SourceConfig {
        files: _,
        primary: _,
        unused: _,
        encoding,
        delimiter,
        quote,
        escape,
        header_row,
        header_rows,
        sheet,
        empty,
        key,
        cursor,
        optional_columns,
        url,
        table,
        query,
        collection,
        attachments,
    } = config;
    let text = (encoding, delimiter, quote, escape);
    let reading = (READER_VERSION, text, header_row, header_rows, sheet, empty, optional_columns);
    // Sources without a cursor keep the hash that they had before there were any.
    let laying = cursor.as_ref().map_or_else(String::new, |cursor| format!("{key:?} {cursor:?}"));
    // So do sources that are no part of a database.
    let asking = (url, table, query, collection);
    let asking = if asking == (&None, &None, &None, &None) { String::new() } else { format!("{asking:?}") };
    // And those that are no folder.
    let listing = attachments.as_ref().map_or_else(String::new, |folder| format!("{folder:?}"));
    hex(Sha256::digest(format!("{reading:?}{laying}{asking}{listing}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(extra: &str) -> String {
        options_hash(&toml::from_str(&format!("files = ['a.csv']\n{extra}")).unwrap())
    }

    #[test]
    fn only_what_changes_the_reading_changes_the_hash() {
        assert_eq!(hash(""), hash("primary = 'patient'"));
        for option in [
            "encoding = 'utf-8'",
            "delimiter = ';'",
            "quote = ''",
            "escape = '!'",
            "header_row = 2",
            "header_rows = 2",
            "sheet = 'x'",
            "empty = 'text'",
            "optional_columns = ['a']",
            "key = ['id']\ncursor = 'at'",
            "url = 'OLD_URL'",
            "table = 'public.patient'",
            "query = 'select 1'",
            "collection = 'patient'",
            "attachments = 'sources/docs'",
        ] {
            assert_ne!(hash(""), hash(option), "{option}");
        }
    }
}
