//! Globs as a shell reads them, and the names that they cannot meet.

use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use glob::{GlobResult, MatchOptions, Pattern, PatternError};
use rust_i18n::t;

use crate::error::Failure;

/// As a shell does it: `*` goes into no folder and finds no hidden file.
pub(super) const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// What a glob meets in a clinic's folder.
pub(super) fn globbed(folder: &Path, glob: &str) -> Result<impl Iterator<Item = GlobResult>, PatternError> {
    // A clinic's folder may hold a character that globs give a meaning.
    let rooted = match Path::new(glob).is_absolute() {
        true => glob.to_owned(),
        false => format!("{}/{glob}", Pattern::escape(&folder.to_string_lossy())),
    };
    let whole = Pattern::new(&plain(Path::new(&rooted)).to_string_lossy())?;
    // The walk panics at a name that is not UTF-8 where it is to pass over hidden names, so that is done here.
    let walk = MatchOptions { require_literal_leading_dot: false, ..OPTIONS };
    Ok(glob::glob_with(&rooted, walk)?.filter(move |found| match found {
        Ok(path) => whole.matches_path_with(&plain(path), OPTIONS),
        Err(_) => true,
    }))
}

/// A path without what says nothing: `./`, `//`.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// Where a glob begins to look for names that it leaves open, and how many levels deep; none where it leaves none open.
pub(super) fn reach(folder: &Path, glob: &str) -> Option<(PathBuf, usize)> {
    let parts: Vec<Component<'_>> = Path::new(glob).components().collect();
    let is_open = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let first = parts.iter().position(is_open)?;
    let depth = if glob.contains("**") { usize::MAX } else { parts.len() - first };
    Some((folder.join(parts[..first].iter().collect::<PathBuf>()), depth))
}

/// Refuses a folder with names that are not UTF-8, so and so many levels deep: globs cannot meet them, and pass them over without a
/// word. Those in some folders are let be.
pub(super) fn all_named(folder: &Path, depth: usize, but: &[PathBuf]) -> Result<()> {
    let mut folders = vec![(folder.to_owned(), depth)];
    while let Some((next, depth)) = folders.pop() {
        if depth == 0 || but.contains(&next) {
            continue;
        }
        for path in std::fs::read_dir(&next).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.to_str().is_none() {
                return Err(Failure::failed(t!("load.not_utf8_name", path = path.display()))
                    .hint(t!("load.not_utf8_name_hint"))
                    .into());
            }
            if path.is_dir() && !path.is_symlink() {
                folders.push((path, depth - 1));
            }
        }
    }
    Ok(())
}

/// A glob cut before each of its parts but the first.
pub(super) fn cuts(pattern: &str) -> impl Iterator<Item = (&str, &str)> {
    pattern.match_indices('/').filter(|(at, _)| *at > 0).map(|(at, _)| (&pattern[..at], &pattern[at + 1..]))
}

/// Whether a glob is about files inside this one.
pub(super) fn reaches_into(pattern: &Pattern, path: &Path) -> bool {
    cuts(pattern.as_str())
        .filter_map(|(outer, _)| Pattern::new(outer).ok())
        .any(|outer| outer.matches_path_with(path, OPTIONS))
}
