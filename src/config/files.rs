//! `[[files]]`: documents and photos that go into a bucket, and the rows that tell of them.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::model::ident::TableName;

/// Files of one kind: where they lie, whose they are, and where it is written down.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Where they lie, below the clinic's folder.
    pub folder: String,
    /// Of the folder's files only those whose path from there on is like this.
    #[serde(default)]
    pub only: Option<String>,
    /// A row a file: `raw.<source>`, such as a manifest, or `clean.<model>`. Without one the folder itself is the list, and the
    /// first folder in it names the owner.
    #[serde(default)]
    pub list: Option<String>,
    /// The list's columns: the path from the folder on.
    #[serde(default = "Files::default_path")]
    pub path: String,
    /// The owner's key in the old system.
    #[serde(default = "Files::default_owner")]
    pub owner: String,
    /// What the file was called; the last part of its path where not given.
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub kind: Option<String>,
    /// Whether they are consents, which are kept under retention: all of them, or those of which a column says so.
    #[serde(default)]
    pub consent: Consent,
    /// Whose they are: an entity of the models, and its table.
    #[serde(default = "Files::default_of")]
    pub of: String,
    /// The table of the rows that tell of them.
    #[serde(default = "Files::default_table")]
    pub table: TableName,
    /// Where its columns go by another name; an empty name where it has no such column.
    #[serde(default)]
    pub columns: BTreeMap<FileColumn, String>,
    /// What every row has in other columns.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

/// Whether files are consents.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Consent {
    All(bool),
    /// The column of the list that says so of each.
    Column(String),
}

impl Default for Consent {
    fn default() -> Self {
        Consent::All(false)
    }
}

/// What a row tells of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileColumn {
    Owner,
    Bucket,
    ObjectKey,
    ContentType,
    Size,
    Sha256,
    OriginalName,
    Kind,
}

impl FileColumn {
    pub const ALL: [FileColumn; 8] = [
        FileColumn::Owner,
        FileColumn::Bucket,
        FileColumn::ObjectKey,
        FileColumn::ContentType,
        FileColumn::Size,
        FileColumn::Sha256,
        FileColumn::OriginalName,
        FileColumn::Kind,
    ];

    /// Its key in `columns`, and its name where that says nothing else.
    pub fn as_str(self) -> &'static str {
        match self {
            FileColumn::Owner => "owner",
            FileColumn::Bucket => "bucket",
            FileColumn::ObjectKey => "object_key",
            FileColumn::ContentType => "content_type",
            FileColumn::Size => "size",
            FileColumn::Sha256 => "sha256",
            FileColumn::OriginalName => "original_name",
            FileColumn::Kind => "kind",
        }
    }

    /// Without it a row does not tell whose a file is, or where.
    fn is_needed(self) -> bool {
        matches!(self, FileColumn::Owner | FileColumn::ObjectKey | FileColumn::Sha256)
    }
}

impl Files {
    fn default_path() -> String {
        "path".to_owned()
    }

    fn default_owner() -> String {
        "owner".to_owned()
    }

    fn default_of() -> String {
        "patient".to_owned()
    }

    fn default_table() -> TableName {
        TableName::from("document")
    }

    /// The table's column; none where it has no such column.
    pub fn column(&self, column: FileColumn) -> Option<String> {
        match (self.columns.get(&column), column) {
            (Some(name), _) => Some(name.clone()).filter(|name| !name.is_empty()),
            (None, FileColumn::Owner) => Some(format!("{}_id", self.of)),
            (None, FileColumn::Kind) if self.kind.is_none() => None,
            (None, _) => Some(column.as_str().to_owned()),
        }
    }

    /// What it is called in messages.
    pub fn shown(&self) -> &str {
        self.list.as_deref().unwrap_or(&self.folder)
    }

    /// The schema and the name of the list.
    pub fn listed(&self) -> Option<(&str, &str)> {
        self.list.as_deref()?.split_once('.')
    }

    /// # Errors
    /// A folder that is none of the clinic's, a list that is no table of the staging file, a column that rows cannot do without.
    pub(super) fn validate(&self) -> Result<()> {
        let inside = Path::new(&self.folder).components().all(|part| matches!(part, Component::Normal(_)));
        if self.folder.is_empty() || !inside {
            return Err(Failure::usage(t!("config.files_folder", folder = self.folder)).into());
        }
        let known = self.list.is_none()
            || self.listed().is_some_and(|(schema, _)| ["raw", "clean"].contains(&schema));
        if !known {
            return Err(Failure::usage(t!("config.files_list", list = self.shown())).into());
        }
        let of_list =
            self.name.is_some() || self.kind.is_some() || matches!(self.consent, Consent::Column(_));
        if self.list.is_none() && of_list {
            return Err(Failure::usage(t!("config.files_no_list", folder = self.folder)).into());
        }
        if let Some(only) = &self.only {
            glob::Pattern::new(only).map_err(|_| Failure::usage(t!("config.files_only", only = only)))?;
        }
        if let Some(missing) =
            FileColumn::ALL.into_iter().find(|one| one.is_needed() && self.column(*one).is_none())
        {
            return Err(Failure::usage(t!("config.files_column", column = missing.as_str())).into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(text: &str) -> bool {
        toml::from_str::<Files>(text).unwrap().validate().is_ok()
    }

    #[test]
    fn files_lie_in_the_clinics_folder_and_are_listed_in_the_staging_file() {
        for right in [
            "folder = 'sources/docs'",
            "folder = 'a'\nlist = 'raw.b'\nconsent = 'c'",
            "folder = 'a'\nconsent = true",
        ] {
            assert!(valid(right), "{right}");
        }
        for wrong in [
            "folder = ''",
            "folder = '/etc'",
            "folder = '../other'",
            "folder = 'a'\nlist = 'documents'",
            "folder = 'a'\nlist = 'target.document'",
            "folder = 'a'\nkind = 'b'",
            "folder = 'a'\nonly = '['",
            "folder = 'a'\ncolumns = { sha256 = '' }",
        ] {
            assert!(!valid(wrong), "{wrong}");
        }
    }

    #[test]
    fn columns_go_by_their_own_names_where_nobody_says_otherwise() {
        let files: Files =
            toml::from_str("folder = 'a'\nof = 'pet'\ncolumns = { object_key = 'file', bucket = '' }")
                .unwrap();
        let names: Vec<Option<String>> = FileColumn::ALL.into_iter().map(|one| files.column(one)).collect();
        let names: Vec<Option<&str>> = names.iter().map(Option::as_deref).collect();
        let rest = [Some("content_type"), Some("size"), Some("sha256"), Some("original_name"), None];
        assert_eq!(names[..3], [Some("pet_id"), None, Some("file")]);
        assert_eq!(names[3..], rest);
    }
}
