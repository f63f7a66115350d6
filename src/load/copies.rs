//! Databases are read from a copy, one for all sources that name the file: all of them see it at the same moment, nothing
//! is written beside it, and what was read stays in `staging/<clinic>/copies` as it was.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Result;
use tempfile::TempDir;

use super::Options;
use super::survey::Asked;
use crate::sources::{SourceFile, sqlite};
use crate::staging::private_folder;

/// The copies of one load or plan.
pub(super) struct Copies {
    folder: PathBuf,
    /// Holds what a plan must copy, for as long as the plan is made.
    passing: Option<TempDir>,
    done: HashMap<PathBuf, PathBuf>,
}

impl Copies {
    /// For a load that keeps its copies, or for a plan that leaves nothing.
    pub(super) fn new(options: &Options<'_>, keep: bool) -> Result<Self> {
        let folder = options.project.copies_dir(&options.clinic.name);
        let passing = match keep {
            true => None,
            false => {
                private_folder(&folder)?;
                Some(tempfile::tempdir_in(&folder)?)
            }
        };
        Ok(Self { folder, passing, done: HashMap::new() })
    }

    /// Puts copies in the places of all databases.
    pub(super) fn take(&mut self, asked: &mut [Asked<'_>]) -> Result<()> {
        for file in asked.iter_mut().flat_map(|one| &mut one.files) {
            *file = self.of(file.clone())?;
        }
        Ok(())
    }

    /// The file to read in a source file's place: its copy where it is a database, else itself.
    fn of(&mut self, file: SourceFile) -> Result<SourceFile> {
        if !sqlite::is_database(&file.path) || (self.passing.is_some() && sqlite::logs(&file.path).is_empty())
        {
            return Ok(file);
        }
        if let Some(path) = self.done.get(&file.path) {
            return Ok(SourceFile { path: path.clone(), shown: file.shown });
        }
        let folder = self.passing.as_ref().map_or(self.folder.as_path(), TempDir::path);
        let path = folder.join(sqlite::place(&file.shown));
        sqlite::copy(&file, &path)?;
        self.done.insert(file.path, path.clone());
        Ok(SourceFile { path, shown: file.shown })
    }
}
