//! Files inside others: gzip, zstd, and zip archives that are no spreadsheet.
//!
//! A file in a zip is named by the archive's path and its own (`export.zip/clients.csv`), as if the archive were a folder. What is packed
//! is unpacked to a file of its own before it is read, since a spreadsheet or a database cannot be read in one go; its hash
//! is that of the file as it is.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use rust_i18n::t;
use zip::ZipArchive;
use zip::result::ZipError;

use super::files::SourceFile;
use super::survey::BLOCK;
use crate::error::{Failure, interrupt};

/// What is larger than this when it is unpacked, and more than [`MOST_TIMES`] as large as it is packed, is taken for a bomb.
const MOST_BYTES: u64 = 256 << 20;
/// Exports of text shrink to a twentieth; nothing that a clinic has to a two hundredth.
const MOST_TIMES: u64 = 200;

/// A file is packed in others so often at most.
const DEEPEST: usize = 3;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
    Zip,
}

/// The file on the disk that a path names or is inside of.
pub fn archive(path: &Path) -> &Path {
    path.ancestors().find(|path| path.is_file()).unwrap_or(path)
}

/// Whether a path is of a file inside an archive.
pub(super) fn is_member(path: &Path) -> bool {
    archive(path) != path
}

/// Whether a file that begins like this is one that was compressed.
pub(super) fn is_stream(start: &[u8]) -> bool {
    matches!(packing(start), Some(Packing::Gzip | Packing::Zstd))
}

/// What is inside a gzip, all of its members one after the other. Documents are read out of one as it is unpacked, since what
/// stands before a cut can still be read.
pub(super) type Gunzip<R> = flate2::read::MultiGzDecoder<R>;

/// Whether a file that begins like this is gzip.
pub(super) fn is_gzip(start: &[u8]) -> bool {
    packing(start) == Some(Packing::Gzip)
}

/// The first bytes inside a gzip whose own first bytes are these.
pub(super) fn peek(gzip: &[u8]) -> Vec<u8> {
    let mut inside = vec![0; 64 << 10];
    let mut decoder = Gunzip::new(gzip);
    let mut filled = 0;
    while let Ok(read @ 1..) = decoder.read(&mut inside[filled..]) {
        filled += read;
    }
    inside.truncate(filled);
    inside
}

fn packing(start: &[u8]) -> Option<Packing> {
    match start {
        [0x1f, 0x8b, ..] => Some(Packing::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(Packing::Zip),
        _ => None,
    }
}

fn start_of(path: &Path) -> Vec<u8> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut start));
    if read.is_ok() { start } else { Vec::new() }
}

/// The files in a zip archive, in name order; none where the file is no archive, or is a spreadsheet.
///
/// # Errors
/// An archive whose list of files is damaged or missing.
pub(super) fn members(file: &SourceFile) -> Result<Option<Vec<SourceFile>>> {
    if packing(&start_of(&file.path)) != Some(Packing::Zip) {
        return Ok(None);
    }
    let archive = open_zip(file, &file.path)?;
    let names: Result<Vec<String>, ZipError> =
        archive.file_names().map(|name| name.map(Cow::into_owned)).collect();
    let names = names.map_err(|_| damaged(file))?;
    // The library tells of two files with one name only the last.
    if listed(&file.path).is_some_and(|listed| listed != names.len()) {
        return Err(odd_names(file, "packed.repeated"));
    }
    if names.iter().any(|name| ["[Content_Types].xml", "mimetype"].contains(&name.as_str())) {
        return Ok(None);
    }
    let astray = |name: &String| {
        let name = name.strip_suffix('/').unwrap_or(name);
        name.split('/').any(|part| ["", ".", ".."].contains(&part))
    };
    if names.iter().any(astray) {
        return Err(odd_names(file, "packed.astray"));
    }
    let is_file = |name: &&String| {
        let hidden = |part: &str| part.starts_with('.') || part == "__MACOSX";
        !name.ends_with('/') && !name.split('/').any(hidden)
    };
    let mut members: Vec<SourceFile> = names
        .iter()
        .filter(is_file)
        .map(|name| SourceFile { shown: format!("{}/{name}", file.shown), path: file.path.join(name) })
        .collect();
    members.sort();
    Ok(Some(members))
}

fn odd_names(file: &SourceFile, why: &str) -> anyhow::Error {
    Failure::failed(t!(why, path = file.shown)).hint(t!("packed.unpack_hint", path = file.shown)).into()
}

/// How many files an archive's own end says that it lists; none where that does not fit there (ZIP64) or is not found.
/// Format: APPNOTE.TXT 4.3.16, end of central directory record.
fn listed(path: &Path) -> Option<usize> {
    const MOST: u64 = 65_557;
    let mut input = File::open(path).ok()?;
    let length = input.metadata().ok()?.len();
    input.seek(SeekFrom::Start(length.saturating_sub(MOST))).ok()?;
    let mut end = Vec::new();
    input.read_to_end(&mut end).ok()?;
    let at = memchr::memmem::rfind(&end, b"PK\x05\x06")?;
    let entries = u16::from_le_bytes(end.get(at + 10..at + 12)?.try_into().ok()?);
    (entries != u16::MAX).then_some(usize::from(entries))
}

fn open_zip(file: &SourceFile, path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let input = File::open(path).map_err(|error| unreadable(file, &error))?;
    ZipArchive::new(BufReader::new(input)).map_err(|error| match error {
        ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            unreadable(file, &error).into()
        }
        _ => damaged(file),
    })
}

/// Unpacks a file into a folder; one that is not packed stays where it is.
///
/// # Errors
/// A damaged, cut, encrypted archive, or one that would become far too large.
pub fn unpack(file: &SourceFile, into: &Path) -> Result<SourceFile> {
    let outer = archive(&file.path);
    let packed = std::fs::metadata(outer).map_err(|error| unreadable(file, &error))?.len();
    let mut unpacked = match outer == file.path {
        true => unpack_stream(file, packed, into)?,
        false => unpack_member(file, outer, into)?,
    };
    // A file that was packed before it was packed.
    for _ in 1..DEEPEST {
        if !is_stream(&start_of(&unpacked.path)) || unpacked.path == file.path {
            break;
        }
        unpacked = unpack_stream(&unpacked, packed, into)?;
    }
    let start = start_of(&unpacked.path);
    let is_archive = packing(&start) == Some(Packing::Zip) && members(&unpacked)?.is_some();
    if unpacked.path != file.path && (is_stream(&start) || is_archive) {
        return Err(Failure::failed(t!("packed.nested", path = file.shown))
            .hint(t!("packed.unpack_hint", path = outer.display()))
            .into());
    }
    Ok(unpacked)
}

/// Unpacks a file of one stream; all that comes out is measured by what lies on the disk.
fn unpack_stream(file: &SourceFile, packed: u64, into: &Path) -> Result<SourceFile> {
    let outer = file.path.as_path();
    let input = || File::open(outer).map_err(|error| unreadable(file, &error));
    let room = Room { packed, promised: None };
    match packing(&start_of(outer)) {
        Some(Packing::Gzip) => write(file, Gunzip::new(BufReader::new(input()?)), room, into),
        Some(Packing::Zstd) => {
            let decoder = zstd::Decoder::new(input()?).map_err(|error| unreadable(file, &error))?;
            write(file, decoder, room, into)
        }
        _ => Ok(file.clone()),
    }
}

fn unpack_member(file: &SourceFile, outer: &Path, into: &Path) -> Result<SourceFile> {
    let mut archive = open_zip(file, outer)?;
    let name = file.path.strip_prefix(outer).unwrap_or(&file.path).to_string_lossy().into_owned();
    let member = archive.by_name(&name).map_err(|error| match error {
        ZipError::FileNotFound => Failure::failed(t!("packed.no_member", path = file.shown)).into(),
        ZipError::UnsupportedArchive(what) => {
            Failure::failed(t!("packed.unsupported", path = file.shown, what = what))
                .hint(t!("packed.unpack_hint", path = outer.display()))
                .into()
        }
        _ => damaged(file),
    })?;
    let room = Room { packed: member.compressed_size(), promised: Some(member.size()) };
    write(file, member, room, into)
}

/// How much may come out.
#[derive(Clone, Copy)]
struct Room {
    packed: u64,
    /// As the archive says.
    promised: Option<u64>,
}

impl Room {
    fn most(self) -> u64 {
        MOST_BYTES.max(self.packed.saturating_mul(MOST_TIMES))
    }

    /// Whether so much is not to be believed.
    fn check(self, file: &SourceFile, bytes: u64) -> Result<()> {
        if bytes <= self.most() {
            return Ok(());
        }
        let (path, packed) = (&file.shown, self.packed);
        Err(Failure::failed(t!(
            "packed.bomb",
            path = path,
            packed = packed,
            bytes = bytes,
            times = MOST_TIMES
        ))
        .hint(t!("packed.unpack_hint", path = archive(&file.path).display()))
        .into())
    }
}

fn write(file: &SourceFile, mut input: impl Read, room: Room, into: &Path) -> Result<SourceFile> {
    room.check(file, room.promised.unwrap_or(0))?;
    let path = place(&file.path, into);
    let failed = |error: std::io::Error| {
        Failure::failed(t!("packed.cannot_write", path = path.display(), error = error))
            .hint(t!("packed.cannot_write_hint"))
    };
    let mut output = File::create(&path).map_err(failed)?;
    let (mut block, mut bytes) = (vec![0; BLOCK], 0);
    loop {
        interrupt::check()?;
        let read = input.read(&mut block).map_err(|_| damaged(file))?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        room.check(file, bytes)?;
        if room.promised.is_some_and(|promised| bytes > promised) {
            return Err(damaged(file));
        }
        output.write_all(&block[..read]).map_err(failed)?;
    }
    if room.promised.is_some_and(|promised| bytes != promised) {
        return Err(damaged(file));
    }
    output.flush().map_err(failed)?;
    Ok(SourceFile { shown: file.shown.clone(), path })
}

/// A name of its own for each file, with the ending of what is inside: nothing of an archive's names but that is used.
fn place(path: &Path, into: &Path) -> PathBuf {
    let name = path.file_name().map(Path::new).unwrap_or(path);
    let inner = match name.extension().and_then(|end| end.to_str()).map(str::to_lowercase).as_deref() {
        Some("gz" | "gzip" | "zst" | "zstd") => name.file_stem().map(Path::new).unwrap_or(name),
        _ => name,
    };
    let number = std::fs::read_dir(into).map_or(0, Iterator::count) + 1;
    let end = inner.extension().and_then(|end| end.to_str()).unwrap_or("data");
    let end: String = end.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    into.join(format!("{number}.{end}"))
}

fn unreadable(file: &SourceFile, error: &std::io::Error) -> Failure {
    Failure::failed(t!("load.cannot_read", path = file.shown, error = error))
}

fn damaged(file: &SourceFile) -> anyhow::Error {
    Failure::failed(t!("packed.damaged", path = file.shown)).hint(t!("packed.damaged_hint")).into()
}
