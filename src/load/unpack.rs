//! What is packed is unpacked into a folder of its own for as long as it is read.

use anyhow::Result;
use rust_i18n::t;
use tempfile::TempDir;

use super::Options;
use super::survey::Surveyed;
use crate::error::Failure;
use crate::sources::{self, SourceFile, Survey, packed};
use crate::staging::private_folder;

/// The source with its packed files unpacked, and the folder that holds them; none where nothing is packed. Only the files at
/// `places` are, where they are given.
///
/// # Errors
/// A damaged archive, one that changed since it was hashed, no room to unpack it.
pub(super) fn all(
    options: &Options<'_>,
    source: &Surveyed,
    places: Option<&[usize]>,
) -> Result<Option<(Surveyed, TempDir)>> {
    let wanted = |place: usize| places.is_none_or(|places| places.contains(&place));
    let is_packed =
        |(place, (_, survey)): (usize, &(SourceFile, Survey))| wanted(place) && survey.is_packed();
    if !source.parts.iter().enumerate().any(is_packed) {
        return Ok(None);
    }
    let extracts = options.project.extracts_dir(&options.clinic.name);
    private_folder(&extracts)?;
    let folder = tempfile::Builder::new().prefix("unpacked-").tempdir_in(&extracts)?;
    let mut unpacked = source.clone();
    for (place, part) in unpacked.parts.iter_mut().enumerate() {
        if is_packed((place, part)) {
            *part = one(options, part, &folder)?;
        }
    }
    Ok(Some((unpacked, folder)))
}

fn one(
    options: &Options<'_>,
    (file, survey): &(SourceFile, Survey),
    folder: &TempDir,
) -> Result<(SourceFile, Survey)> {
    let unpacked = packed::unpack(file, folder.path())?;
    if !survey.still_holds(file) {
        return Err(Failure::failed(t!("load.changed_while_read", path = file.shown))
            .hint(t!("load.changed_hint", clinic = options.clinic.name))
            .into());
    }
    let inside = sources::survey(&unpacked)?.inside(survey);
    Ok((unpacked, inside))
}
