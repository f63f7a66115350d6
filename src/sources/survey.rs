//! The first look at a file: its hash, what kind of file it is, and whether its bytes are valid UTF-8.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::copied::Flow;
use super::documents::{self, DocumentKind};
use super::files::SourceFile;
use super::packed;
use super::sqlite::MAGIC;
use crate::error::{Failure, interrupt};
use crate::model::hex;

/// Enough of a file to recognise its dialect.
const SAMPLE: usize = 256 * 1024;
pub(super) const BLOCK: usize = 1 << 20;

/// What makes a file the same file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// What the first pass over a file found.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Of what is read: of a packed file, of what was inside.
    pub fingerprint: Fingerprint,
    /// Of the packed file.
    packed: Option<Fingerprint>,
    pub(super) modified: Option<SystemTime>,
    pub(super) kind: FileKind,
    /// Every byte is below 0x80, and stands for itself.
    pub(super) ascii: bool,
    /// The whole file is valid UTF-8.
    pub(super) utf8: bool,
    /// The file's first bytes.
    pub(super) sample: Vec<u8>,
    /// Of an extract that is still written; its fingerprint is known at its end.
    pub(super) flow: Option<Arc<Flow>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Text,
    /// UTF-16, little endian if true; recognised by its byte-order mark or by where its zero bytes are.
    Utf16 {
        little: bool,
    },
    /// A zip container: XLSX, XLSM, XLSB or ODS.
    Zip,
    /// A compound file: XLS, or an encrypted XLSX.
    Compound,
    /// What PostgreSQL answered, as [`super::copied`] writes it.
    Copied,
    /// A SQLite database.
    Sqlite,
    Documents(DocumentKind),
    /// A Parquet file.
    Parquet,
    /// Gzip, zstd, or a file in a zip archive: it must be unpacked to be read.
    Packed,
    /// A folder whose files are listed.
    Folder,
}

impl FileKind {
    pub(super) fn is_text(self) -> bool {
        matches!(self, FileKind::Text | FileKind::Utf16 { .. })
    }
}

/// Reads a file once, from end to end.
///
/// # Errors
/// A file that cannot be read, is empty, or is neither text nor a spreadsheet (named, where it is a known format).
pub fn survey(file: &SourceFile) -> Result<Survey> {
    let unreadable =
        |error: std::io::Error| Failure::failed(t!("load.cannot_read", path = file.shown, error = error));
    if file.path.is_dir() {
        return listed(file);
    }
    let outer = packed::archive(&file.path);
    let mut input = File::open(outer).map_err(unreadable)?;
    let modified = input.metadata().and_then(|metadata| metadata.modified()).ok();
    let mut sample = Vec::new();
    input.by_ref().take(SAMPLE as u64).read_to_end(&mut sample).map_err(unreadable)?;
    let kind = match packed::is_member(&file.path) {
        true => FileKind::Packed,
        false => recognise(file, &sample)?,
    };
    let mut hash = Sha256::new();
    let mut utf8 = Utf8::default();
    let (mut bytes, mut ascii) = (0, true);
    let mut see = |block: &[u8]| {
        hash.update(block);
        bytes += block.len() as u64;
        // Of nothing else it is asked.
        if kind.is_text() {
            ascii = ascii && block.is_ascii();
            utf8.feed(block);
        }
    };
    see(&sample);
    let mut block = vec![0; BLOCK];
    loop {
        let read = input.read(&mut block).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        interrupt::check()?;
        see(&block[..read]);
    }
    ascii = ascii && kind == FileKind::Text;
    let fingerprint = Fingerprint { bytes, sha256: hex(hash.finalize()) };
    Ok(Survey { fingerprint, packed: None, modified, kind, ascii, utf8: utf8.finish(), sample, flow: None })
}

impl Survey {
    /// Of an extract that was hashed while it was written.
    pub fn of_extract(file: &SourceFile, fingerprint: Fingerprint) -> Self {
        let modified = std::fs::metadata(&file.path).and_then(|metadata| metadata.modified()).ok();
        Self { fingerprint, modified, ..Self::empty_extract() }
    }

    /// Of an extract that is still written.
    pub fn flowing(flow: &Arc<Flow>) -> Self {
        Self { flow: Some(Arc::clone(flow)), ..Self::empty_extract() }
    }

    fn empty_extract() -> Self {
        Self {
            fingerprint: Fingerprint { bytes: 0, sha256: String::new() },
            packed: None,
            modified: None,
            kind: FileKind::Copied,
            ascii: false,
            utf8: false,
            sample: Vec::new(),
            flow: None,
        }
    }

    /// The survey of what was an extract that was still written, once that has its place; any other is as it was.
    #[must_use]
    pub fn settled(&self, file: &SourceFile, fingerprint: &Fingerprint) -> Self {
        match self.flow {
            Some(_) => Self::of_extract(file, fingerprint.clone()),
            None => self.clone(),
        }
    }

    /// Whether it was to be an extract that will never be whole.
    pub fn broke_off(&self) -> bool {
        self.flow.as_ref().is_some_and(|flow| flow.is_broken())
    }

    /// Whether it is a SQLite database, in which no record stands in a line or row that has a number.
    pub fn is_database(&self) -> bool {
        self.kind == FileKind::Sqlite
    }

    /// Whether the file still has the size and the time of change that it had.
    pub fn still_holds(&self, file: &SourceFile) -> bool {
        // What is in a folder was hashed twice.
        self.kind == FileKind::Folder
            || std::fs::metadata(packed::archive(&file.path))
                .is_ok_and(|now| now.len() == self.fingerprint.bytes && now.modified().ok() == self.modified)
    }

    /// Of the file as it is.
    pub fn of_file(&self) -> &Fingerprint {
        self.packed.as_ref().unwrap_or(&self.fingerprint)
    }

    /// This survey as that of what was inside another file.
    #[must_use]
    pub fn inside(self, packed: &Self) -> Self {
        Self { packed: Some(packed.of_file().clone()), ..self }
    }

    /// Whether the file must be unpacked to be read.
    pub fn is_packed(&self) -> bool {
        self.kind == FileKind::Packed
    }
}

/// A folder of attachments.
fn listed(folder: &SourceFile) -> Result<Survey> {
    let fingerprint = super::folder::fingerprint(folder)?;
    let kind = FileKind::Folder;
    let (ascii, utf8, sample) = (false, false, Vec::new());
    Ok(Survey { fingerprint, packed: None, modified: None, kind, ascii, utf8, sample, flow: None })
}

fn recognise(file: &SourceFile, sample: &[u8]) -> Result<FileKind> {
    let unsupported = |what: &str| -> anyhow::Error {
        Failure::failed(t!("load.not_supported", path = file.shown, what = what))
            .hint(t!("load.not_supported_hint"))
            .into()
    };
    if sample.starts_with(super::copied::MAGIC) {
        return Ok(FileKind::Copied);
    }
    if sample.starts_with(super::parquet::MAGIC) {
        return Ok(FileKind::Parquet);
    }
    let is_other = matches!(sample, [b'P', b'K', 3 | 5, 4 | 6, ..] | [0xd0, 0xcf, 0x11, 0xe0, ..]);
    if let Some(kind) = documents::recognise(&file.shown, sample).filter(|_| !is_other) {
        return Ok(FileKind::Documents(kind));
    }
    match sample {
        _ if packed::is_stream(sample) => return Ok(FileKind::Packed),
        [0xff, 0xfe, ..] => return Ok(FileKind::Utf16 { little: true }),
        [0xfe, 0xff, ..] => return Ok(FileKind::Utf16 { little: false }),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => return Ok(FileKind::Zip),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => return Ok(FileKind::Compound),
        _ if sample.starts_with(MAGIC) => return Ok(FileKind::Sqlite),
        [b'%', b'P', b'D', b'F', ..] => return Err(unsupported("PDF")),
        _ => {}
    }
    let body = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(empty(file));
    }
    // Old clinic programs write HTML or XML and call it .xls.
    let start: String = body
        .iter()
        .skip_while(|byte| byte.is_ascii_whitespace())
        .take(15)
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    if ["<html", "<!doctype", "<table", "<?xml", "<meta"].iter().any(|tag| start.starts_with(tag)) {
        return Err(unsupported("HTML/XML"));
    }
    if let Some(little) = utf16_without_mark(body) {
        return Ok(FileKind::Utf16 { little });
    }
    let zeros = body.iter().filter(|byte| **byte == 0).count();
    if zeros == body.len() || zeros * 10 > body.len() && body.len() >= 64 {
        return Err(Failure::failed(t!("load.binary", path = file.shown))
            .hint(t!("load.binary_hint", path = file.shown))
            .into());
    }
    if documents::is_called_json(&file.shown) {
        return Err(Failure::failed(t!("documents.no_json", path = file.shown))
            .hint(t!("documents.no_json_hint", path = file.shown))
            .into());
    }
    Ok(FileKind::Text)
}

/// A file that holds nothing.
pub(super) fn empty(file: &SourceFile) -> anyhow::Error {
    Failure::failed(t!("load.empty_file", path = file.shown)).hint(t!("load.empty_file_hint")).into()
}

/// Text of mostly Latin letters in UTF-16 has a zero in every other byte; one that was cut may have a byte more.
fn utf16_without_mark(sample: &[u8]) -> Option<bool> {
    let pairs = sample.len() / 2;
    if pairs < 2 {
        return None;
    }
    let zeros = |offset: usize| sample.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    if odd * 10 > pairs * 7 && even * 20 < pairs {
        Some(true)
    } else if even * 10 > pairs * 7 && odd * 20 < pairs {
        Some(false)
    } else {
        None
    }
}

/// Validates UTF-8 block by block.
#[derive(Default)]
struct Utf8 {
    /// The incomplete character at the end of the block before.
    carry: Vec<u8>,
    invalid: bool,
}

impl Utf8 {
    fn feed(&mut self, mut block: &[u8]) {
        while !self.carry.is_empty() && !block.is_empty() && !self.invalid {
            self.carry.push(block[0]);
            block = &block[1..];
            match std::str::from_utf8(&self.carry) {
                Ok(_) => self.carry.clear(),
                Err(error) => self.invalid = error.error_len().is_some(),
            }
        }
        if self.invalid {
            return;
        }
        if let Err(error) = std::str::from_utf8(block) {
            self.invalid = error.error_len().is_some();
            self.carry
                .extend_from_slice(&block[error.valid_up_to()..][..3.min(block.len() - error.valid_up_to())]);
        }
    }

    fn finish(&self) -> bool {
        !self.invalid && self.carry.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn blocks_do_not_change_what_is_valid_utf8(
            bytes in proptest::collection::vec(prop_oneof![Just(0xc3u8), Just(0xa9), Just(0xe2), Just(0x82), Just(0xac), Just(b'a')], 0..12),
            size in 1usize..5,
        ) {
            let mut utf8 = Utf8::default();
            bytes.chunks(size).for_each(|chunk| utf8.feed(chunk));
            prop_assert_eq!(utf8.finish(), std::str::from_utf8(&bytes).is_ok());
        }
    }

    fn kind(bytes: &[u8]) -> Result<FileKind> {
        recognise(&SourceFile { shown: "x".to_owned(), path: "x".into() }, bytes)
    }

    #[test]
    fn utf16_is_recognised_without_its_mark() {
        let little: Vec<u8> = "id;nombre\n1;Iñaki\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "id;nombre\n1;Iñaki\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(kind(&little).unwrap(), FileKind::Utf16 { little: true });
        assert_eq!(kind(&big).unwrap(), FileKind::Utf16 { little: false });
        for cut in [1, 2, 3] {
            assert_eq!(kind(&little[..little.len() - cut]).unwrap(), FileKind::Utf16 { little: true });
            assert_eq!(kind(&big[..big.len() - cut]).unwrap(), FileKind::Utf16 { little: false });
        }
        assert_eq!(kind(b"a,b,c\n\0,2,3\n").unwrap(), FileKind::Text);
    }

    #[test]
    fn what_is_neither_text_nor_a_spreadsheet_is_named() {
        for (bytes, name) in [(&b"%PDF-1.7"[..], "PDF"), (b"\r\n<html><table>", "HTML"), (&[0; 100], "NUL")] {
            assert!(kind(bytes).unwrap_err().to_string().contains(name));
        }
        assert!(kind(b" \r\n").is_err());
    }
}
