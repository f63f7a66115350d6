//! How rows that are not the models' meet rows that are there.

use std::borrow::Cow;

use super::{Clinic, LoadMode};
use crate::model::manifest::Manifest;
use crate::model::merge::OnConflict;
use crate::model::vanished::Vanished;

impl Clinic {
    /// The clinic as it is for the rows of a snapshot: those of another origin than models are new or changed whatever the
    /// table's mode is for the models' rows. A value that is filled in is its origin's, and never gone; of whole rows the table
    /// says whose value wins, and what becomes of those that are gone: they stay where it says nothing.
    pub fn for_rows_of(&self, manifest: &Manifest) -> Cow<'_, Clinic> {
        if manifest.origin.is_models() {
            return Cow::Borrowed(self);
        }
        let mut clinic = self.clone();
        for entry in &manifest.tables {
            let on_conflict =
                if entry.fills { OnConflict::TakeSource } else { self.on_conflict(&entry.table) };
            let vanished = self.vanished(&entry.table).filter(|_| !entry.fills).unwrap_or(Vanished::Keep);
            let settings = clinic.tables.entry(entry.table.clone()).or_default();
            settings.mode = Some(LoadMode::Upsert);
            settings.vanished = Some(vanished);
            settings.on_conflict = Some(on_conflict);
            settings.sync_by = None;
        }
        Cow::Owned(clinic)
    }
}
