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
use super::{Emit, Finding, Portion, Severity, Totals};
use crate::config::Empty;
use crate::error::{Failure, interrupt};
use crate::model::hex;

const COLUMNS: [&str; 6] = ["path", "name", "size", "sha256", "type", "modified"];
/// So many hidden names are told.
const SHOWN: usize = 5;
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

/// What the folder holds under one name.
struct Entry {
    path: PathBuf,
    /// Why it is no file that can be read.
    fault: Option<Fault>,
}

/// A record that is refused.
struct Fault {
    /// A rule name.
    reason: &'static str,
    why: String,
}

/// All of a folder and of the folders in it.
struct Listing {
    /// In name order.
    entries: Vec<Entry>,
    /// Names that begin with a dot, which are no attachments.
    hidden: Vec<PathBuf>,
}

impl Folder {
    pub(super) fn open(folder: &SourceFile, bytes: u64) -> Self {
        let names = COLUMNS.map(str::to_owned);
        Self { folder: folder.clone(), header: header::name(&names).0, bytes }
    }

    pub(super) fn read(&self, origin: &Origin, emit: &mut Emit<'_>) -> Result<Totals> {
        let mut batcher = Batcher::new(origin, &self.header.names, Empty::Text);
        let listing = listing(&self.folder)?;
        for entry in &listing.entries {
            let place = batcher.record + 1;
            let one = match attachment(&self.folder, entry)? {
                Ok(one) => one,
                Err(fault) => {
                    let path = shown(&self.folder, &entry.path);
                    let detail = t!("folder.refused", path = path, why = fault.why).into_owned();
                    batcher.refuse_next(place, fault.reason, Some(detail), emit)?;
                    continue;
                }
            };
            let name = one.path.rsplit('/').next().unwrap_or(&one.path);
            let size = one.size.to_string();
            let cells = [&one.path, name, &size, &one.sha256, &one.media_type].map(Some);
            let cells = cells.into_iter().chain([one.modified.as_deref()]);
            batcher.push_cells(cells, |_| place.to_string(), emit)?;
            emit(Portion::Progress(one.size))?;
        }
        emit(Portion::Progress(self.bytes.min(1)))?;
        let mut totals = batcher.finish(emit)?;
        totals.findings.extend(hidden(&self.folder, &listing.hidden));
        Ok(totals)
    }

    /// The files that are there, and the folder's fingerprint, by walking through it again.
    pub(super) fn count(&self) -> Result<(u64, Fingerprint)> {
        Ok((listing(&self.folder)?.entries.len() as u64, fingerprint(&self.folder)?))
    }
}

/// What begins with a dot is named: nobody is to look for it in vain.
fn hidden(folder: &SourceFile, hidden: &[PathBuf]) -> Option<Finding> {
    let names = hidden.iter().take(SHOWN).map(|path| shown(folder, path)).collect::<Vec<_>>().join(", ");
    let finding = Finding::new("hidden_files", Severity::Warning, hidden.len() as u64);
    (!hidden.is_empty()).then(|| finding.detail(t!("folder.hidden", names = names)))
}

/// A hash over path, size, hash and time of every file, and over what is no file that can be read.
pub(super) fn fingerprint(folder: &SourceFile) -> Result<Fingerprint> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let listing = listing(folder)?;
    for entry in &listing.entries {
        match attachment(folder, entry)? {
            Ok(one) => {
                bytes += one.size;
                let modified = one.modified.unwrap_or_default();
                hash.update(format!("{}\0{}\0{}\0{modified}\n", one.path, one.size, one.sha256));
            }
            Err(fault) => hash.update(format!("{}\0{}\n", inside(folder, &entry.path), fault.reason)),
        }
    }
    for path in &listing.hidden {
        hash.update(format!("{}\0hidden\n", inside(folder, path)));
    }
    Ok(Fingerprint { bytes, sha256: hex(hash.finalize()) })
}

/// The folder's entries and those of folders in it.
///
/// # Errors
/// The folder itself cannot be read.
fn listing(folder: &SourceFile) -> Result<Listing> {
    let root = folder.path.canonicalize().unwrap_or_else(|_| folder.path.clone());
    let mut listing = Listing { entries: Vec::new(), hidden: Vec::new() };
    let mut folders = vec![folder.path.clone()];
    while let Some(next) = folders.pop() {
        interrupt::check()?;
        let paths = std::fs::read_dir(&next).and_then(|all| all.map(|one| Ok(one?.path())).collect());
        let paths: Vec<PathBuf> = match paths {
            Ok(paths) => paths,
            Err(error) if next == folder.path => {
                return Err(
                    Failure::failed(t!("load.cannot_read", path = folder.shown, error = error)).into()
                );
            }
            Err(error) => {
                let fault = Some(Fault { reason: "unreadable_folder", why: error.to_string() });
                listing.entries.push(Entry { path: next, fault });
                continue;
            }
        };
        for path in paths {
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                listing.hidden.push(path);
            } else if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                let fault = no_name(folder, &path).or_else(|| no_attachment(&root, &path));
                listing.entries.push(Entry { fault, path });
            }
        }
    }
    listing.entries.sort_by(|one, other| one.path.cmp(&other.path));
    listing.hidden.sort();
    Ok(listing)
}

/// No record could hold a path that is not UTF-8, and nobody could ask for the file by it.
fn no_name(folder: &SourceFile, path: &Path) -> Option<Fault> {
    let name = path.strip_prefix(&folder.path).unwrap_or(path);
    let why = || t!("folder.not_utf8_name", hint = t!("load.not_utf8_name_hint")).into_owned();
    name.to_str().is_none().then(|| Fault { reason: "not_utf8_name", why: why() })
}

/// Why what stands there is no attachment. A link counts as the file that it leads to within the same folder; outside it may be a file of
/// other patients, and a folder may lead back.
fn no_attachment(root: &Path, path: &Path) -> Option<Fault> {
    let is_outside = path.canonicalize().is_ok_and(|real| !real.starts_with(root));
    match std::fs::metadata(path) {
        Ok(kind) if is_outside && kind.is_file() => {
            Some(Fault { reason: "linked_outside", why: t!("folder.linked_outside").into_owned() })
        }
        Ok(kind) if kind.is_file() => None,
        Ok(kind) if kind.is_dir() => {
            Some(Fault { reason: "linked_folder", why: t!("folder.linked").into_owned() })
        }
        // To open a named pipe is to wait for whoever writes into it.
        Ok(_) => {
            let why = super::files::no_file(path).unwrap_or_else(|| t!("load.device")).into_owned();
            Some(Fault { reason: "no_regular_file", why })
        }
        Err(error) => Some(Fault { reason: "unreadable_file", why: error.to_string() }),
    }
}

/// What is to know of a file, or why that cannot be known.
///
/// # Errors
/// Ctrl-C.
fn attachment(folder: &SourceFile, entry: &Entry) -> Result<Result<Attachment, Fault>> {
    if let Some(Fault { reason, why }) = &entry.fault {
        return Ok(Err(Fault { reason, why: why.clone() }));
    }
    match look(folder, &entry.path) {
        Ok(one) => Ok(Ok(one)),
        Err(error) => {
            interrupt::check()?;
            Ok(Err(Fault { reason: "unreadable_file", why: error.to_string() }))
        }
    }
}

/// Reads a file to its end, or until Ctrl-C.
fn look(folder: &SourceFile, path: &Path) -> std::io::Result<Attachment> {
    let mut input = File::open(path)?;
    let modified = input.metadata().and_then(|metadata| metadata.modified()).ok();
    let Content { sha256, bytes, media_type } = content(&mut input)?;
    let time = |time| DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Micros, true);
    Ok(Attachment {
        path: inside(folder, path),
        size: bytes,
        sha256,
        media_type: media_type.to_owned(),
        modified: modified.map(time),
    })
}

/// What a file holds.
pub struct Content {
    /// In hexadecimal.
    pub sha256: String,
    pub bytes: u64,
    pub media_type: &'static str,
}

/// Reads an open file to its end, or until Ctrl-C.
///
/// # Errors
/// It cannot be read, or somebody stopped it.
pub fn content(input: &mut File) -> std::io::Result<Content> {
    let (mut hash, mut bytes, mut start) = (Sha256::new(), 0, Vec::new());
    let mut block = vec![0; BLOCK];
    loop {
        if interrupt::requested() {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let read = input.read(&mut block)?;
        if read == 0 {
            return Ok(Content { sha256: hex(hash.finalize()), bytes, media_type: media_type(&start) });
        }
        hash.update(&block[..read]);
        bytes += read as u64;
        let room = START.saturating_sub(start.len()).min(read);
        start.extend_from_slice(&block[..room]);
    }
}

/// A path from the folder on; bytes that are not UTF-8 are written as `\xf1`.
fn inside(folder: &SourceFile, path: &Path) -> String {
    let path = path.strip_prefix(&folder.path).unwrap_or(path).as_os_str();
    let mut text = String::new();
    for chunk in path.as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text.replace(std::path::MAIN_SEPARATOR, "/")
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
    Path::new(&folder.shown).join(inside(folder, path)).display().to_string()
}
