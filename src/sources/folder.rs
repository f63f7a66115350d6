//! A folder of attachments: one record a file, with what a later upload needs to know of it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::batch::{Batcher, Origin};
use super::files::SourceFile;
use super::header::{self, Header};
use super::survey::{BLOCK, Fingerprint};
use super::{Emit, Portion, Totals};
use crate::config::Empty;
use crate::error::{Failure, interrupt};
use crate::model::hex;

const COLUMNS: [&str; 6] = ["path", "name", "size", "sha256", "type", "modified"];
/// So much of a file tells its type.
const START: usize = 8192;

/// A folder whose files are listed.
pub struct Folder {
    folder: SourceFile,
    pub(super) header: Header,
    bytes: u64,
}

/// A file in it.
struct Attachment {
    /// From the folder on, with `/` between.
    path: String,
    size: u64,
    sha256: String,
    media_type: String,
    /// RFC 3339, UTC; none where the system does not say.
    modified: Option<String>,
}

impl Folder {
    pub(super) fn open(folder: &SourceFile, bytes: u64) -> Self {
        let names = COLUMNS.map(str::to_owned);
        Self { folder: folder.clone(), header: header::name(&names).0, bytes }
    }

    pub(super) fn read(&self, origin: &Origin, emit: &mut Emit<'_>) -> Result<Totals> {
        let mut batcher = Batcher::new(origin, &self.header.names, Empty::Text);
        for path in files(&self.folder)? {
            let one = attachment(&self.folder, &path)?;
            let name = one.path.rsplit('/').next().unwrap_or(&one.path);
            let size = one.size.to_string();
            let cells = [&one.path, name, &size, &one.sha256, &one.media_type].map(Some);
            let place = batcher.record + 1;
            let cells = cells.into_iter().chain([one.modified.as_deref()]);
            batcher.push_cells(cells, |_| place.to_string(), emit)?;
            emit(Portion::Progress(one.size))?;
        }
        emit(Portion::Progress(self.bytes.min(1)))?;
        batcher.finish(emit)
    }

    /// The files that are there, and the folder's fingerprint, by walking through it again.
    pub(super) fn count(&self) -> Result<(u64, Fingerprint)> {
        Ok((files(&self.folder)?.len() as u64, fingerprint(&self.folder)?))
    }
}

/// A hash over path, size, hash and time of every file.
pub(super) fn fingerprint(folder: &SourceFile) -> Result<Fingerprint> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    for path in files(folder)? {
        let one = attachment(folder, &path)?;
        bytes += one.size;
        let modified = one.modified.unwrap_or_default();
        hash.update(format!("{}\0{}\0{}\0{modified}\n", one.path, one.size, one.sha256));
    }
    Ok(Fingerprint { bytes, sha256: hex(hash.finalize()) })
}

/// The folder's files and those of folders in it, in name order; hidden ones are none.
///
/// # Errors
/// A folder that cannot be read; what is neither file nor folder.
fn files(folder: &SourceFile) -> Result<Vec<PathBuf>> {
    super::files::all_named(&folder.path)?;
    let (mut found, mut folders) = (Vec::new(), vec![folder.path.clone()]);
    while let Some(next) = folders.pop() {
        interrupt::check()?;
        for entry in std::fs::read_dir(&next).map_err(|error| unreadable(folder, &next, &error))? {
            let path = entry.map_err(|error| unreadable(folder, &next, &error))?.path();
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            // A link counts as what it leads to, but into no folder: it may lead back.
            let is_link = path.is_symlink();
            match std::fs::metadata(&path) {
                _ if hidden => {}
                Ok(kind) if kind.is_dir() && !is_link => folders.push(path),
                Ok(kind) if kind.is_file() => found.push(path),
                Ok(_) => {
                    let shown = shown(folder, &path);
                    return Err(Failure::failed(t!("folder.no_file", path = shown)).into());
                }
                Err(error) => return Err(unreadable(folder, &path, &error)),
            }
        }
    }
    found.sort();
    Ok(found)
}

fn attachment(folder: &SourceFile, path: &Path) -> Result<Attachment> {
    let failed = |error: std::io::Error| unreadable(folder, path, &error);
    let mut input = File::open(path).map_err(failed)?;
    let modified = input.metadata().and_then(|metadata| metadata.modified()).ok();
    let (mut hash, mut size, mut start) = (Sha256::new(), 0, Vec::new());
    let mut block = vec![0; BLOCK];
    loop {
        interrupt::check()?;
        let read = input.read(&mut block).map_err(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&block[..read]);
        size += read as u64;
        let room = (START - start.len().min(START)).min(read);
        start.extend_from_slice(&block[..room]);
    }
    let inside = path.strip_prefix(&folder.path).unwrap_or(path).to_string_lossy();
    let time = |time| DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Micros, true);
    Ok(Attachment {
        path: inside.replace(std::path::MAIN_SEPARATOR, "/"),
        size,
        sha256: hex(hash.finalize()),
        media_type: media_type(&start).to_owned(),
        modified: modified.map(time),
    })
}

/// By what the file holds; its name says nothing.
fn media_type(start: &[u8]) -> &'static str {
    match infer::get(start) {
        Some(kind) => kind.mime_type(),
        None if is_text(start) => "text/plain",
        None => "application/octet-stream",
    }
}

/// UTF-8 without control characters, but for a last character that was cut.
fn is_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && !text.chars().any(|one| one.is_control() && !matches!(one, '\n' | '\r' | '\t' | '\u{c}'))
}

fn shown(folder: &SourceFile, path: &Path) -> String {
    let inside = path.strip_prefix(&folder.path).unwrap_or(path);
    Path::new(&folder.shown).join(inside).display().to_string()
}

fn unreadable(folder: &SourceFile, path: &Path, error: &std::io::Error) -> anyhow::Error {
    Failure::failed(t!("load.cannot_read", path = shown(folder, path), error = error)).into()
}
